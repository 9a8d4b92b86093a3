"""Marks a target's bucket as ours and keeps movers of an earlier turn out of it; it never touches another's copy.

The claim is an object in the bucket, so it holds for every machine. A store cannot be told to refuse a late write by
turn: a mover looks at the claim before it writes, at most every few seconds, and stops when it is no more its own.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from obstore.exceptions import AlreadyExistsError, PreconditionError

from migration.errors import StepFailed
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import CLAIM
from migration.movers.objects_store import ObjectStore

COPYING, FOLLOWING, HANDED_OVER = "copying", "following", "handed-over"
_LOOK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim says, and its ETag."""

    system: str
    name: str
    source: str
    token: int
    phase: str
    etag: str

    def as_bytes(self) -> bytes:
        said = {part: getattr(self, part) for part in ("system", "name", "source", "token", "phase")}
        return json.dumps(said, ensure_ascii=False).encode()


def read(store: ObjectStore) -> Claim | None:
    """Return the claim of a bucket, or None when there is none. Raises `StepFailed` when it cannot be read."""
    found = store.open(CLAIM)
    if found is None:
        return None
    try:
        said: dict[str, Any] = json.loads(bytes(found.whole()))
        return Claim(said["system"], said["name"], said["source"], int(said["token"]), said["phase"], found.seen.etag)
    except (ValueError, KeyError, TypeError) as bad:
        raise store.not_read(CLAIM, str(bad)) from bad


class Turn:
    """One mover's hold on a target's bucket."""

    def __init__(self, store: ObjectStore, job: ObjectsJob) -> None:
        self._store, self._job = store, job
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._etag = ""

    def take(self, *, reopen: bool = False) -> Claim:
        """Claim the bucket for our turn; `reopen` takes it up again after it was handed over.

        Raises `StepFailed`: target-of-another-system, turn-over, objects-handed-over.
        """
        found = self.assert_allowed()
        phase = found.phase if found else COPYING
        if phase == HANDED_OVER and not reopen:
            raise _handed_over(self._job)
        claim = self._write(found, FOLLOWING if phase == HANDED_OVER else phase)
        self._etag, self._looked_at = claim.etag, time.monotonic()
        return claim

    def assert_ours(self) -> None:
        """Raise `StepFailed` (turn-over) when another mover took the bucket since; looked at every few seconds."""
        with self._lock:
            if time.monotonic() - self._looked_at < _LOOK_SECONDS:
                return
            found = self.assert_allowed()
            if found is None or found.etag != self._etag:
                raise _turn_over(self._job, "another mover took it meanwhile, or its claim was removed")
            self._looked_at = time.monotonic()

    def set_phase(self, phase: str) -> None:
        """Write down how far the copy is."""
        with self._lock:
            found = self.assert_allowed()
            if found is None or found.etag != self._etag:
                raise _turn_over(self._job, "another mover took it meanwhile, or its claim was removed")
            self._etag = self._write(found, phase).etag

    def assert_allowed(self) -> Claim | None:
        """Return the claim that lies there; raises `StepFailed` when it is another's or of a later turn."""
        job, found = self._job, read(self._store)
        if found is None:
            return None
        if (found.system, found.name, found.source) != (job.system, job.name, job.source.url):
            raise StepFailed(
                "target-of-another-system",
                what=f"the bucket {job.target.name} holds the copy of {found.system}/{found.name}",
                why=f"its claim {CLAIM} says so: it was carried from {found.source}, not from {job.source.url}",
                state="nothing was touched",
                next="look at the job: do two of them share one bucket?",
            )
        if found.token > job.token:
            raise _turn_over(job, f"turn {job.token} is over: turn {found.token} has begun")
        return found

    def _write(self, found: Claim | None, phase: str) -> Claim:
        job = self._job
        claim = Claim(job.system, job.name, job.source.url, job.token, phase, "")
        try:
            # On condition that nobody wrote it since we read it: of two that begin at one moment one is refused.
            if found is None:
                self._store.send(CLAIM, claim.as_bytes(), mode="create")
            else:
                self._store.send(CLAIM, claim.as_bytes(), mode={"e_tag": f'"{found.etag}"'})
        except StepFailed as refused:
            if isinstance(refused.__cause__, AlreadyExistsError | PreconditionError):
                raise _turn_over(job, "another mover claimed it at the same moment") from refused
            raise
        written = read(self._store)
        if written is None or (written.token, written.phase) != (job.token, phase):
            raise _turn_over(job, f"its claim reads otherwise than it was written: {written}")
        return written


def _turn_over(job: ObjectsJob, why: str) -> StepFailed:
    return StepFailed(
        "turn-over",
        what=f"nothing more is carried into {job.target.name}",
        why=why,
        state="what was carried before stays; the source was only read",
        next="let the mover that holds the later turn go on",
    )


def _handed_over(job: ObjectsJob) -> StepFailed:
    return StepFailed(
        "objects-handed-over",
        what=f"the objects of {job.system}/{job.name} are not carried any more",
        why="they were handed over: the bucket may hold what exists nowhere else",
        state="nothing was touched",
        next="run the mover with --do take-back, if the target was never used",
    )
