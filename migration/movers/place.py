"""The folder of a physical move on the target: claimed by a marker before anything is put in, removed only with it.

It never touches a folder that holds what we did not make.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from migration.errors import StepFailed, UsageError
from migration.movers import cluster
from migration.movers.physical_job import PhysicalJob

MARKER: Final = "dcshift-physical.json"
_LOCK: Final = "dcshift.lock"
COPYING, FOLLOWING = "copying", "following"
SEEDING, SEEDED = "seeding", "seeded"
"""Of a copy that a cluster begins from: it waits, disabled, to be taken; the cluster has it and follows."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What the marker file says: whose folder this is, by which turn, and how far it is."""

    system: str
    token: int
    phase: str
    superuser: str
    """Name of the servers' superuser, known once the source was asked; else empty."""
    cut: str = ""
    """Where in the source's log a complete copy ends; else empty."""


def read(folder: Path) -> Marker | None:
    """Return what the marker says, or None where there is none that we wrote."""
    try:
        return Marker(**json.loads((folder / MARKER).read_text()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def write(folder: Path, marker: Marker) -> None:
    """Write the marker so that it is there, old or new, whatever happens."""
    draft = folder / f"{MARKER}.new"
    with draft.open("w") as file:
        json.dump({name: getattr(marker, name) for name in Marker.__slots__}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / MARKER)


@contextlib.contextmanager
def held(job: PhysicalJob) -> Iterator[Marker]:
    """Hold the folder for this turn, made if it is not there; yields what its marker said before.

    Raises `StepFailed` for a folder that is not ours, that another mover holds, or whose turn is later than ours.
    """
    folder = job.folder
    try:
        _refuse_foreign(job)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as refused:
        raise UsageError(
            "target-folder-unusable",
            what=f"the folder {folder} cannot be used",
            why=str(refused),
            state="nothing was touched",
            next="name a folder whose parent exists and belongs to the server's disk",
        ) from None
    # The lock is a file beside nothing of value: a folder that is empty but for it is still as good as empty.
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StepFailed(
                "mover-at-work",
                what=f"another mover works in {folder}",
                why="it holds the folder's lock",
                state="nothing was touched",
                next="wait for its end, or stop its unit; then type the same command again",
            ) from None
        before = read(folder) or Marker(job.system, job.token, COPYING, "")
        if job.token < before.token:
            raise StepFailed(
                "turn-over",
                what=f"the copy in {folder} was not touched",
                why=f"turn {job.token} is over: turn {before.token} has begun",
                state="nothing was changed",
                next="let the orchestrator that holds the later turn go on",
            )
        write(folder, dataclasses.replace(before, token=job.token))
        cluster.own(folder, job.user, 0o700)
        yield before


def refuse_other_way(job: PhysicalJob, before: Marker, *ours: str) -> None:
    """Raise `StepFailed` for a copy that goes another way than ours: to a host, or into a cluster."""
    if before.phase not in (COPYING, *ours):
        cluster_bound = before.phase in (SEEDING, SEEDED)
        command = "dcshift move seed" if cluster_bound else "dcshift move postgres (by the physical engine)"
        raise StepFailed(
            "copy-goes-another-way",
            what=f"the copy in {job.folder} was not touched",
            why=f"its marker says {before.phase}: it goes {'into a cluster' if cluster_bound else 'to this host'}",
            state="nothing was changed",
            next=command,
        )


def clear(job: PhysicalJob, *, logs: bool = True, phase: str = COPYING) -> None:
    """Stop what runs in the folder and remove everything but marker and lock, and the servers' logs if told."""
    _refuse_foreign(job)
    before = read(job.folder) or Marker(job.system, job.token, phase, "")
    # Whoever dies in here must not leave a marker that promises a copy.
    write(job.folder, dataclasses.replace(before, token=job.token, phase=phase))
    for data in (job.base, job.data):
        cluster.stop(data)
    for entry in job.folder.iterdir():
        if entry.name not in (MARKER, _LOCK) and (logs or entry.suffix != ".log"):
            _remove(entry)


def remove(job: PhysicalJob) -> None:
    """Remove the folder; the marker goes last, so that whoever dies here can be followed."""
    clear(job)
    (job.folder / MARKER).unlink(missing_ok=True)
    (job.folder / _LOCK).unlink(missing_ok=True)
    job.folder.rmdir()


def make(job: PhysicalJob) -> None:
    """Make the empty folders that the servers' programs fill."""
    for folder in (job.base, job.data, job.run):
        folder.mkdir(mode=0o700)
        cluster.own(folder, job.user, 0o700)


def forget_base(job: PhysicalJob) -> None:
    """Remove the copy in the source's version: its files live on by the links of the new one."""
    _remove(job.base)


def _refuse_foreign(job: PhysicalJob) -> None:
    folder = job.folder
    if not folder.exists() and not folder.is_symlink():
        return
    marker = read(folder)
    names = {entry.name for entry in folder.iterdir()} - {_LOCK, f"{MARKER}.new"} if folder.is_dir() else {"no folder"}
    why = None
    if folder.is_symlink():
        why = "it is a link, and what it leads to may be anybody's"
    elif marker is None and names:
        why = f"it holds what we did not make: {', '.join(sorted(names)[:5])}"
    elif marker is not None and marker.system != job.system:
        why = f"its marker says that it is the copy for {marker.system}"
    if why:
        raise StepFailed(
            "target-folder-foreign",
            what=f"the folder {folder} is not used for {job.system}",
            why=why,
            state="nothing was touched",
            next="name another folder, or empty this one by hand if nothing in it is needed",
        )


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
