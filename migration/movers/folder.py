"""Carries one set of files into a folder that keeps the tree as it is, and proves both equal; the source is only read.

Nobody remembers what was carried: each pass compares what both sides hold. So it may die at any moment, and what it
remembers may be lost; the mark in the folder says whose it is and how far.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

from migration.errors import StepFailed
from migration.model.words import Finding, Json, Severity
from migration.movers import files_source, folder_claim, folder_probe, folder_proof, lines, locked, passes
from migration.movers.files_index import Index
from migration.movers.files_names import shown
from migration.movers.folder_check import findings
from migration.movers.folder_claim import FOLLOWING, HANDED_OVER, FolderTurn
from migration.movers.folder_copy import Copy
from migration.movers.folder_job import FolderJob
from migration.movers.folder_listing import TOP, walk
from migration.movers.folder_pass import EVERYTHING, carry
from migration.movers.host_load import HostLoad
from migration.movers.passes import Pass
from migration.movers.sparing import Sparing
from migration.movers.spread import memory_bytes_most
from migration.movers.throttle import Throttle

_T = TypeVar("_T")
VERBS: Final = {
    "move": "carry in passes until one is small (the default)",
    "check": "say what speaks against it; nothing is carried",
    "last": "make the last pass, when nobody writes at the source any more; afterwards nothing is carried again",
    "take-back": "allow to carry again after the last pass, if nothing was written in the folder since",
    "remove": "remove everything that was carried, and the mark; not after the last pass",
    "verify": "compare names, sizes, times, modes, owners, links and attributes",
    "verify-full": "the same, and read every file on both sides",
}


def do(verb: str, job: FolderJob, *, frozen: bool) -> int:
    """Do it and say the result; returns the exit status. Raises `StepFailed`."""
    with locked.only_one(job.staging, f"{job.system}/{job.name}"):
        index = Index(job.staging)
        if verb == "check":
            found = _usable(job, lambda: findings(job, index))
            lines.result({"findings": [_said(one) for one in found]})
            return 3 if any(one.severity is Severity.BLOCKER for one in found) else 0
        if verb in ("verify", "verify-full"):
            proof = folder_proof.prove(job, index, frozen=frozen, full=verb == "verify-full")
            figures = {**proof.figures, "memory_bytes_most": memory_bytes_most()}
            said: dict[str, Json] = {"passed": proof.passed, "sentence": proof.sentence, "figures": figures}
            lines.result({**said, "differences": [*proof.differences]})
            return 0 if proof.passed else 1
        verbs = {"move": replicate, "last": carry_last, "take-back": take_back, "remove": remove}
        lines.result({**_usable(job, lambda: verbs[verb](job, index)), "memory_bytes_most": memory_bytes_most()})
        return 0


def replicate(job: FolderJob, index: Index) -> dict[str, Json]:
    """Carry in passes until one is small, or the next would be no smaller; return the facts."""
    began = time.monotonic()
    with Sparing(job.source_limits_file, HostLoad(job)) as sparing:
        turn = FolderTurn(job)
        turn.take()
        found = folder_probe.kept(job)
        throttle = Throttle(job.limit_file)

        def one() -> Pass:
            lines.progress(files_source.READING, 0, None, "files")
            return carry(job, index, turn, found, frozen=False, throttle=throttle, sparing=sparing)

        made = passes.until_small(job, one)
        turn.set_phase(FOLLOWING)
    return {**passes.facts(job, made, time.monotonic() - began), "deleted": sum(one.deleted for one in made)}


def carry_last(job: FolderJob, index: Index) -> dict[str, Json]:
    """Make the last pass, which nothing slows down, and hand the folder over once it is proved."""
    mark = folder_claim.assert_usable(job)
    if mark is not None and mark.phase == HANDED_OVER:
        return {"repeated": True}
    turn = FolderTurn(job)
    turn.take()
    done = carry(job, index, turn, folder_probe.kept(job), frozen=True, throttle=Throttle(None))
    _to_disk(job)
    # Asked anew: what was written at the source during this pass is in no list of it.
    proof = folder_proof.prove(job, index, frozen=True, full=False)
    if not proof.passed:
        raise StepFailed(
            "file-not-carried",
            what=f"the last pass of {job.system}/{job.name} did not end with equal trees",
            why=f"{proof.sentence}: {'; '.join(proof.differences[:5])}",
            state="nothing was handed over; the source is as it was",
            next="see that nobody writes at the source, then the same command again",
        )
    folder_proof.remember(job)
    turn.set_phase(HANDED_OVER)
    return {**done.facts(), "proof": proof.sentence, "manifest": proof.figures["manifest"]}


def take_back(job: FolderJob, index: Index) -> dict[str, Json]:
    """Allow to carry again after the last pass; the next pass then makes the folder as the source is.

    Raises `StepFailed` (target-written-since) where that would lose what the target wrote.
    """
    mark = folder_claim.assert_usable(job)
    if mark is not None and mark.phase == HANDED_OVER and not job.overwrite:
        written = folder_proof.written_since(job)
        if written is None or written:
            named = ", ".join(shown(path) or "." for path in (written or ())[:5])
            raise StepFailed(
                "target-written-since",
                what=f"the folder {job.folder} was not taken back",
                why=f"{len(written)} entries changed since it was handed over: {named}"
                if written
                else f"what it held then is not remembered in {job.staging}",
                state="nothing was touched",
                next="bring to the source what is needed of it, then again with overwrite in the job: the rest is lost",
            )
    mark = FolderTurn(job).take(reopen=True)
    return {"phase": mark.phase}


def remove(job: FolderJob, index: Index) -> dict[str, Json]:
    """Remove all that was carried; the folder was empty when it was marked, so all in it came from us."""
    turn = FolderTurn(job)
    if folder_claim.assert_usable(job) is None:
        turn.sweep()
        return {"removed": 0}
    turn.take()
    there = walk(job.folder)
    Copy(job, EVERYTHING, turn, Throttle(None), None, frozen=True).remove(there, there.described.keys() - {TOP})
    if left := walk(job.folder).described.keys() - {TOP}:
        raise folder_claim.unusable(
            job, f"{len(left)} entries are there after they were removed, such as {min(left)!r}"
        )
    turn.leave()
    return {"removed": len(there.described) - 1}


def _usable(job: FolderJob, work: Callable[[], _T]) -> _T:
    """Do it; a folder that fails under our hands is said as such, and so is one without room."""
    try:
        return work()
    except OSError as failure:
        in_folder = isinstance(failure.filename, str | bytes) and os.fsencode(failure.filename).startswith(
            os.fsencode(job.folder)
        )
        if not in_folder:
            raise
        raise folder_claim.unusable(job, str(failure)) from failure


def _to_disk(job: FolderJob) -> None:
    """Wait until the folder's file system has written all down; raises `OSError` when it could not."""
    place = os.open(job.folder, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(place) != 0:
            raise OSError(ctypes.get_errno(), "syncfs failed", str(job.folder))
    finally:
        os.close(place)


def _said(one: Finding) -> Json:
    return {"severity": str(one.severity), "code": one.code, "where": one.where, "what": one.what, "next": one.next}
