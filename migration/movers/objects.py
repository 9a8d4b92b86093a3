"""Carries one bucket into another, in passes until one is small: `python -m migration.movers.objects --job FILE`.

A pass may die at any moment: what was carried is found again by its record or its hash. Nothing is ever written at the
source, and no object at the target that was not carried by us is touched.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from migration.errors import MigrationError, StepFailed
from migration.model.words import Finding, Json, Severity
from migration.movers import convergence, lines, locked, objects_check, objects_job, objects_proof, room
from migration.movers.job import Words, given
from migration.movers.objects_claim import FOLLOWING, HANDED_OVER
from migration.movers.objects_index import Index
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_pass import Target, carry
from migration.movers.objects_store import ObjectStore
from migration.movers.spread import memory_bytes_most
from migration.movers.throttle import Throttle

_VERBS = {
    "move": "carry in passes until one is small (the default)",
    "check": "say what speaks against it; nothing is carried",
    "last": "make the last pass, when nobody writes at the source any more; afterwards nothing is carried again",
    "take-back": "allow to carry again after the last pass; what was written at the target since may be in the way",
    "verify": "compare names, sizes and hashes as both stores list them",
    "verify-full": "read every object on both sides and compare content, description and tags",
}


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    words = Words(prog="python -m migration.movers.objects", description=__doc__)
    words.add_argument("--job", required=True, help="JSON job: a private file, or - for stdin")
    words.add_argument("--do", choices=_VERBS, default="move", help="; ".join(f"{v}: {t}" for v, t in _VERBS.items()))
    words.add_argument("--frozen", action="store_true", help="with verify: nobody writes at the source")
    job = None
    try:
        said = words.parse_args(argv)
        job = given(said.job, objects_job.read, words.prog)
        with locked.only_one(job.staging, f"{job.system}/{job.name}"), closing(Index(job.staging)) as index:
            return _do(said.do, job, index, frozen=said.frozen)
    except MigrationError as failure:
        lines.error(failure)
        return failure.exit_code
    except (OSError, sqlite3.Error) as failure:
        if job is not None and room.is_full(failure):
            lines.error(room.missing(job.staging, doing=f"the move of {job.system}/{job.name}"))
        elif job is not None and isinstance(failure, sqlite3.Error):
            lines.error(_damaged(job, failure))
        else:
            raise
        return 1


def _do(verb: str, job: ObjectsJob, index: Index, *, frozen: bool) -> int:
    if verb == "check":
        found = objects_check.findings(job, index)
        lines.result({"findings": [_said(one) for one in found]})
        return 3 if any(one.severity is Severity.BLOCKER for one in found) else 0
    if verb in ("verify", "verify-full"):
        proof = objects_proof.prove(job, index, frozen=frozen, full=verb == "verify-full")
        differences: list[Json] = list(proof.differences)
        figures = dict(proof.figures)
        figures["memory_bytes_most"] = memory_bytes_most()
        lines.result(
            {"passed": proof.passed, "sentence": proof.sentence, "figures": figures, "differences": differences}
        )
        return 0 if proof.passed else 1
    facts = {"move": replicate, "last": carry_last, "take-back": take_back}[verb](job, index)
    lines.result({**facts, "memory_bytes_most": memory_bytes_most()})
    return 0


def _said(one: Finding) -> Json:
    return {"severity": str(one.severity), "code": one.code, "where": one.where, "what": one.what, "next": one.next}


def replicate(job: ObjectsJob, index: Index) -> dict[str, Json]:
    """Carry in passes until one is small, or the next would be no smaller; return the facts."""
    began = time.monotonic()
    at = Target(job)
    at.take()
    ended = _end_uploads(at.store, index)
    passes = []
    for _ in range(job.passes_max):
        passes.append(carry(job, index, at, Throttle(job.limit_file)))
        foreseen = convergence.foreseen(index)
        if convergence.is_enough(len(passes), passes[-1].touched, job.small_pass_objects, foreseen):
            break
    at.turn.set_phase(FOLLOWING)
    return {
        **passes[-1].facts(),
        "passes": len(passes),
        "converged": passes[-1].touched <= job.small_pass_objects,
        "carried": sum(one.carried for one in passes),
        "carried_bytes": sum(one.carried_bytes for one in passes),
        "deleted": sum(one.deleted for one in passes),
        "last_pass_objects": passes[-1].touched,
        "last_pass_seconds": passes[-1].seconds,
        **(foreseen.facts() if foreseen else {}),
        "ended_uploads": ended,
        "seconds": round(time.monotonic() - began, 1),
    }


def carry_last(job: ObjectsJob, index: Index) -> dict[str, Json]:
    """Make the last pass, which nothing slows down, and hand the bucket over."""
    at = Target(job)
    found = at.turn.assert_allowed()
    if found is not None and found.phase == HANDED_OVER:
        return {"repeated": True}
    at.take()
    done = carry(job, index, at, Throttle(None))
    # Asked anew: what was written at the source during this pass is in no list of it.
    proof = objects_proof.prove(job, index, frozen=True, full=False)
    if not proof.passed:
        raise StepFailed(
            "objects-not-equal",
            what=f"the last pass of {job.system}/{job.name} did not end with equal buckets",
            why=f"{proof.sentence}: {'; '.join(proof.differences[:5])}",
            state="nothing was handed over; the source serves as before",
            next="see that nobody writes at the source, then the same command again",
        )
    at.turn.set_phase(HANDED_OVER)
    return {**done.facts(), "proof": proof.sentence}


def take_back(job: ObjectsJob, index: Index) -> dict[str, Json]:
    """Allow to carry again after the last pass."""
    claim = Target(job).turn.take(reopen=True)
    return {"phase": claim.phase, "remembered": index.remembered()}


def _end_uploads(target: ObjectStore, index: Index) -> Json:
    """Throw away the parts that a killed mover of ours left; return how many objects, or why it was not looked for."""
    try:
        ours = [(key, upload) for key, upload in target.unfinished() if index.is_begun(key)]
    except StepFailed as failure:
        return failure.why
    for key, upload in ours:
        target.end_upload(key, upload)
    return len(ours)


def _damaged(job: ObjectsJob, failure: sqlite3.Error) -> StepFailed:
    return StepFailed(
        "record-unusable",
        what=f"the record of what was carried of {job.system}/{job.name} cannot be used",
        why=f"{job.staging}: {failure}",
        state="what was carried stays at the target; the source was only read",
        next=f"move {job.staging} away, then the same command: it compares what lies at the target and sends the rest",
    )


if __name__ == "__main__":
    raise SystemExit(main())
