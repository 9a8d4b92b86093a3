"""Marks a target folder as ours and keeps movers of an earlier turn out of it; what is not ours it never touches.

The mark lies in the folder itself, so it holds for every machine that mounts it. A file system cannot be told to refuse
a late write by turn: a mover looks at the mark each second while it writes, and stops when it is no more its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final

from migration.errors import StepFailed
from migration.movers import turn_number
from migration.movers.folder_job import NOT_OF_THE_TREE, OURS, FolderJob

COPYING, FOLLOWING, HANDED_OVER = "copying", "following", "handed-over"
_MARK: Final = "claim.json"
_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class Mark:
    """Whose copy a folder holds, by which turn, and how far it is."""

    system: str
    name: str
    token: int
    phase: str
    holder: str
    """A word by which a mover knows its own mark again."""


def read(job: FolderJob) -> Mark | None:
    """Return the folder's mark; None where there is none. Raises `StepFailed` for one that cannot be read."""
    try:
        return Mark(**json.loads((job.ours / _MARK).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError) as bad:
        raise foreign(job, f"its mark {OURS}/{_MARK} cannot be read: {bad}") from None


def assert_usable(job: FolderJob) -> Mark | None:
    """Return the mark. Raises `StepFailed`: target-folder-unusable, target-folder-foreign, target-of-another-system."""
    if job.folder.is_symlink() or not job.folder.is_dir():
        raise unusable(job, "it is no folder of this machine; where a volume is not mounted there is none")
    mark = read(job)
    others = sorted(entry.name for entry in job.folder.iterdir() if entry.name not in NOT_OF_THE_TREE)
    if mark is None and others:
        raise foreign(job, f"it holds what we did not carry there: {', '.join(map(repr, others[:5]))}")
    if mark is not None and (mark.system, mark.name) != (job.system, job.name):
        raise StepFailed(
            "target-of-another-system",
            what=f"the folder {job.folder} holds the copy of {mark.system}/{mark.name}",
            why=f"its mark {OURS}/{_MARK} says so",
            state="nothing was touched",
            next="look at the job: do two of them share one folder?",
        )
    return mark


class FolderTurn:
    """One mover's hold on a target folder."""

    def __init__(self, job: FolderJob) -> None:
        self._job, self._mine = job, Mark(job.system, job.name, job.token, COPYING, secrets.token_hex(8))
        self._threads = threading.Lock()

    @property
    def holder(self) -> str:
        return self._mine.holder

    def take(self, *, reopen: bool = False) -> Mark:
        """Mark the folder for our turn; `reopen` takes it up again after it was handed over.

        Raises `StepFailed` as `assert_usable` does, turn-over, files-handed-over.
        """
        if why := turn_number.why_over(self._job.staging, self._job.token):
            raise self._over(why)
        assert_usable(self._job)
        self._job.ours.mkdir(mode=0o700, exist_ok=True)
        with self._alone():
            found = assert_usable(self._job)
            if found is not None and found.token > self._job.token:
                raise self._over(f"turn {self._job.token} is over: turn {found.token} has begun")
            phase = found.phase if found else COPYING
            if phase == HANDED_OVER and not reopen:
                raise handed_over(self._job)
            self._write(FOLLOWING if phase == HANDED_OVER else phase)
        turn_number.note(self._job.staging, self._job.token)
        return self._mine

    def assert_ours(self) -> None:
        """Raise `StepFailed` (turn-over) when another mover took the folder since, or it is not mounted any more."""
        if read(self._job) != self._mine:
            raise self._over("another mover took it meanwhile, or its mark is gone: is the volume still mounted?")

    def set_phase(self, phase: str) -> None:
        """Write down how far the copy is."""
        with self._threads, self._alone():
            self.assert_ours()
            self._write(phase)

    def leave(self) -> None:
        """Take away what is ours, when nothing else is left in the folder."""
        with self._alone():
            self.assert_ours()
            for entry in self._job.ours.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry.name not in (_MARK, _LOCK):
                    entry.unlink()
            (self._job.ours / _MARK).unlink()
        (self._job.ours / _LOCK).unlink(missing_ok=True)
        self._job.ours.rmdir()

    def sweep(self) -> None:
        """Take away what is ours in a folder without a mark: a `leave` that was killed behind it."""
        if not self._job.ours.is_dir() or self._job.ours.is_symlink():
            return
        with self._alone():
            if {entry.name for entry in self._job.ours.iterdir()} != {_LOCK}:
                return
            (self._job.ours / _LOCK).unlink()
        self._job.ours.rmdir()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        # Held for a moment only, so that a later turn waits for nobody who sleeps.
        with (self._job.ours / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, phase: str) -> None:
        self._mine = replace(self._mine, phase=phase)
        draft = self._job.ours / f"{_MARK}.{self.holder}"
        with draft.open("w") as file:
            json.dump(asdict(self._mine), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._job.ours / _MARK)
        if (written := read(self._job)) != self._mine:
            raise self._over(f"its mark reads otherwise than it was written: {written}")

    def _over(self, why: str) -> StepFailed:
        return StepFailed(
            "turn-over",
            what=f"nothing more is carried into {self._job.folder}",
            why=why,
            state="what was carried before stays; the source was only read",
            next="let the mover that holds the later turn go on",
        )


def foreign(job: FolderJob, why: str) -> StepFailed:
    """Return the error of a folder that is not ours to write in."""
    return StepFailed(
        "target-folder-foreign",
        what=f"the folder {job.folder} is not used for {job.system}/{job.name}",
        why=why,
        state="nothing was touched",
        next="name another folder, or empty this one by hand if nothing in it is needed",
    )


def unusable(job: FolderJob, why: str) -> StepFailed:
    """Return the error of a folder that cannot be used as it is."""
    return StepFailed(
        "target-folder-unusable",
        what=f"the folder {job.folder} cannot be used for {job.system}/{job.name}",
        why=why,
        state="what was carried before stays; the source was only read",
        next="mend the cause (is the volume mounted, and may we write to it?), then the same command again",
    )


def handed_over(job: FolderJob) -> StepFailed:
    """Return the error of a folder that is the target's own by now."""
    return StepFailed(
        "files-handed-over",
        what=f"the files of {job.system}/{job.name} are not carried or removed any more",
        why=f"they were handed over: {job.folder} may hold what exists nowhere else",
        state="nothing was touched",
        next="run the mover with --do take-back, if the target was never used",
    )
