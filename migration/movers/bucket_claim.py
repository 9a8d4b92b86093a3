"""Marks a target's bucket as ours and keeps movers of an earlier turn out of it; it never touches another's copy.

The claim is an object in the bucket, so it holds for every machine. A store cannot be told to refuse a late write by
turn: a mover looks at the claim before it writes, at most every few seconds, and stops when it is no more its own.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from obstore.exceptions import AlreadyExistsError, PreconditionError

from migration.errors import StepFailed
from migration.movers.bucket_store import PART_BYTES
from migration.movers.objects_store import ObjectStore
from migration.movers.s3 import Bucket

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


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wants a bucket, and in which turn."""

    system: str
    name: str
    source: str
    """Where its content comes from: another source is another copy."""
    bucket: Bucket
    token: int
    key: str
    """The claim's key."""


def read(store: ObjectStore, key: str) -> Claim | None:
    """Return the claim of a bucket, or None when there is none. Raises `StepFailed` when it cannot be read."""
    found = store.open(key)
    if found is None:
        return None
    try:
        said: dict[str, Any] = json.loads(bytes(found.whole()))
        return Claim(said["system"], said["name"], said["source"], int(said["token"]), said["phase"], found.seen.etag)
    except (ValueError, KeyError, TypeError) as bad:
        raise store.not_read(key, str(bad)) from bad


class Turn:
    """One mover's hold on a target's bucket."""

    def __init__(self, holder: Holder, handed_over: Callable[[], StepFailed]) -> None:
        self._holder, self._handed_over = holder, handed_over
        self._store = ObjectStore(holder.bucket, "target", part_bytes=PART_BYTES)
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._etag = ""

    def take(self, *, reopen: bool = False) -> Claim:
        """Claim the bucket for our turn; `reopen` takes it up again after it was handed over.

        Raises `StepFailed`: target-of-another-system, turn-over, or that it was handed over.
        """
        found = self.assert_allowed()
        phase = found.phase if found else COPYING
        if phase == HANDED_OVER and not reopen:
            raise self._handed_over()
        claim = self._write(found, FOLLOWING if phase == HANDED_OVER else phase)
        self._etag, self._looked_at = claim.etag, time.monotonic()
        return claim

    def assert_ours(self) -> None:
        """Raise `StepFailed` (turn-over) when another mover took the bucket since; looked at every few seconds."""
        with self._lock:
            if time.monotonic() - self._looked_at < _LOOK_SECONDS:
                return
            self._still_ours()
            self._looked_at = time.monotonic()

    def set_phase(self, phase: str) -> None:
        """Write down how far the copy is."""
        with self._lock:
            self._etag = self._write(self._still_ours(), phase).etag

    def leave(self) -> None:
        """Take the claim away, when nothing of ours is left in the bucket."""
        with self._lock:
            self._still_ours()
            self._store.delete([self._holder.key])

    def _still_ours(self) -> Claim:
        found = self.assert_allowed()
        if found is None or found.etag != self._etag:
            raise turn_over(self._holder, "another mover took it meanwhile, or its claim was removed")
        return found

    def assert_allowed(self) -> Claim | None:
        """Return the claim that lies there; raises `StepFailed` when it is another's or of a later turn."""
        ours, found = self._holder, read(self._store, self._holder.key)
        if found is None:
            return None
        if (found.system, found.name, found.source) != (ours.system, ours.name, ours.source):
            raise StepFailed(
                "target-of-another-system",
                what=f"the bucket {ours.bucket.name} holds the copy of {found.system}/{found.name}",
                why=f"its claim {ours.key} says so: it was carried from {found.source}, not from {ours.source}",
                state="nothing was touched",
                next="look at the job: do two of them share one bucket?",
            )
        if found.token > ours.token:
            raise turn_over(ours, f"turn {ours.token} is over: turn {found.token} has begun")
        return found

    def _write(self, found: Claim | None, phase: str) -> Claim:
        ours = self._holder
        claim = Claim(ours.system, ours.name, ours.source, ours.token, phase, "")
        try:
            # On condition that nobody wrote it since we read it: of two that begin at one moment one is refused.
            if found is None:
                self._store.send(ours.key, claim.as_bytes(), mode="create")
            else:
                self._store.send(ours.key, claim.as_bytes(), mode={"e_tag": f'"{found.etag}"'})
        except StepFailed as refused:
            if isinstance(refused.__cause__, AlreadyExistsError | PreconditionError):
                raise turn_over(ours, "another mover claimed it at the same moment") from refused
            raise
        written = read(self._store, ours.key)
        if written is None or (written.token, written.phase) != (ours.token, phase):
            raise turn_over(ours, f"its claim reads otherwise than it was written: {written}")
        return written


def turn_over(holder: Holder, why: str) -> StepFailed:
    """Return the error of a mover whose turn is over."""
    return StepFailed(
        "turn-over",
        what=f"nothing more is carried into {holder.bucket.name}",
        why=why,
        state="what was carried before stays; the source was only read",
        next="let the mover that holds the later turn go on",
    )
