"""Brings files into a target folder: many at once first, then what hangs together; no file is seen before it is whole.

Each rsync writes into a folder of its own below ours, on the same file system, and gives a file its name when it is
complete. Whatever dies leaves only what the next pass throws away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from migration.errors import StepFailed
from migration.movers import files_source, lines, room, rsync
from migration.movers.files_listing import FILE, FOLDER, Seen
from migration.movers.folder_batches import batches
from migration.movers.folder_claim import FolderTurn
from migration.movers.folder_compare import Difference, groups
from migration.movers.folder_job import NOT_OF_THE_TREE, FolderJob
from migration.movers.folder_probe import Kept
from migration.movers.sparing import Sparing
from migration.movers.spread import spread
from migration.movers.throttle import BYTES_PER_SECOND_MIN, Throttle

_FEW_FILES: Final = 500
_FEW_BYTES: Final = 64 * 1024**2
"""So few go at once with what hangs together: another connection would cost more than it saves."""
_REMOVED_A_LOOK: Final = 100
_TREE: Final = ("--links", "--perms", "--times", "--sparse", "--numeric-ids", "--dirs", "--from0", "--files-from=-")


class _Ended(Exception):  # noqa: N818 (no error of its own: another worker has it)
    """One of the others failed."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One pass into the folder, as long as our turn lasts."""

    job: FolderJob
    kept: Kept
    turn: FolderTurn
    throttle: Throttle
    sparing: Sparing | None
    frozen: bool
    _failed: threading.Event = field(default_factory=threading.Event, init=False)

    def bring(self, source: Seen, target: Seen, wanted: Collection[bytes]) -> None:
        """Make these paths of the target as they are at the source. Raises `StepFailed`: turn-over, target-full."""
        shutil.rmtree(self._partial, ignore_errors=True)
        paths = set(wanted)
        self._make_folders(source, target, paths)
        alone = self._alone(source, target, paths)
        if len(alone) > _FEW_FILES or sum(alone.values()) > _FEW_BYTES:
            self._bring_many(alone)
            paths -= alone.keys()
            for path in alone:
                paths.add(path.rpartition(b"/")[0])  # a file that came changed its folder's time
        self._bring_the_rest(source, paths)
        shutil.rmtree(self._partial, ignore_errors=True)

    def remove(self, target: Seen, gone: Iterable[bytes]) -> None:
        """Remove these paths of the target, what is in a folder before the folder."""
        for number, path in enumerate(sorted(gone, reverse=True)):
            if number % _REMOVED_A_LOOK == 0:
                self.turn.assert_ours()
            full = self.job.folder / os.fsdecode(path)
            with contextlib.suppress(FileNotFoundError):
                (Path.rmdir if target.described[path].kind == FOLDER else Path.unlink)(full)

    @property
    def _partial(self) -> Path:
        return self.job.ours / "partial"

    def _make_folders(self, source: Seen, target: Seen, wanted: set[bytes]) -> None:
        """Make what is missing, open to nobody else: rsyncs side by side must not each find that it is not there."""
        for path in sorted(path for path in wanted if source.described[path].kind == FOLDER):
            if path not in target.described or target.described[path].kind != FOLDER:
                (self.job.folder / os.fsdecode(path)).mkdir(mode=0o700)

    def _alone(self, source: Seen, target: Seen, wanted: set[bytes]) -> dict[bytes, int]:
        """Return the files, with their sizes, that no other name at either side shares."""
        together = groups(source).keys() | target.same.keys() if self.kept.hard_links else ()
        return {
            path: source.files[path].size
            for path in wanted
            if source.described[path].kind == FILE and path not in together
        }

    def _bring_many(self, sizes: dict[bytes, int]) -> None:
        pieces = list(enumerate(batches(sizes, self.job.workers)))
        said = lines.Standing("files", len(sizes), sum(sizes.values()))
        done = [0, 0]
        under_way: dict[int, Path] = {}
        first: list[BaseException] = []
        workers = self._workers()

        def work(piece: tuple[int, list[bytes]]) -> list[bytes]:
            number, paths = piece
            try:
                under_way[number] = self._partial / str(number)
                self._paced(paths, under_way[number], beside=min(workers, len(pieces)))
            except BaseException as failure:
                first.append(failure)  # the others end for its sake, and only it says why
                self._failed.set()
                raise
            finally:
                under_way.pop(number, None)
            return paths

        def take(paths: list[bytes]) -> None:
            done[0] += len(paths)
            done[1] += sum(sizes[path] for path in paths)

        def tick() -> None:
            said.say(done[0], done[1] + sum(map(_bytes_in, list(under_way.values()))))

        try:
            with contextlib.nullcontext() if self.sparing is None else self.sparing.reading(files_source.say_waiting):
                spread(pieces, work, workers=workers, on_done=take, on_tick=tick, on_break=self._failed.set)
        except _Ended:
            raise first[0] from None
        said.say(done[0], done[1], at_once=True)

    def _workers(self) -> int:
        """Return how many rsyncs may be at work, so that the slowest connection still shows that it lives."""
        rate = self.throttle.rate()
        return self.job.workers if rate is None else max(1, min(self.job.workers, rate // BYTES_PER_SECOND_MIN))

    def _bring_the_rest(self, source: Seen, paths: set[bytes]) -> None:
        """Bring folders, links, files that share names with all of these, and whatever is too little for several."""
        names = groups(source) if self.kept.hard_links else {}
        paths |= {name for path in paths for name in names.get(path, ())}
        paths |= {path.rpartition(b"/")[0] for path in paths}
        with contextlib.nullcontext() if self.sparing is None else self.sparing.reading(files_source.say_waiting):
            self._paced(sorted(paths), self._partial / "rest", beside=1)

    def _paced(self, paths: list[bytes], partial: Path, *, beside: int) -> None:
        def begin(rate: int | None, is_to_end: Callable[[], bool]) -> bool:
            self._assert_going_on()
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(mode=0o700, parents=True)
            limit = [f"--bwlimit={max(rate // beside // 1024, 1)}"] if rate else []
            argv = rsync.words(self.job, [*_TREE, *self._options(), f"--temp-dir={partial}", *limit], self.job.folder)

            def until() -> bool:
                self._assert_going_on()
                return is_to_end()

            full = lambda why: too_small(self.job, why)  # noqa: E731
            named = (path or b"." for path in paths)
            return rsync.run(self.job, argv, named, frozen=self.frozen, full=full, until=until)

        rsync.paced(begin, self.throttle, self.sparing)

    def _assert_going_on(self) -> None:
        if self._failed.is_set():
            raise _Ended
        self.turn.assert_ours()

    def _options(self) -> list[str]:
        kept = self.kept
        options = [f"--exclude=/{name}" for name in NOT_OF_THE_TREE]
        options += ["--owner", "--group"] if kept.owners else []
        options += ["--hard-links"] if kept.hard_links else []
        options += ["--acls"] if kept.acls else []
        if kept.attributes:
            # The platform's own labels are not the application's: they stay as each side's system sets them.
            options += ["--xattrs", "--filter=+x user.*", "--filter=+x security.capability", "--filter=-x *"]
        # Asked for by name, a file that went meanwhile would be an error; while the source is in use it is none.
        return options if self.frozen else [*options, "--ignore-missing-args"]


def assert_room(job: FolderJob, source: Seen, wanted: Iterable[Difference]) -> None:
    """Raise `StepFailed` (target-full) before a byte is brought that would not fit."""
    if why := without_room(job, source, wanted):
        raise too_small(job, why)


def without_room(job: FolderJob, source: Seen, wanted: Iterable[Difference]) -> str | None:
    """Return why what is to come does not fit, or None."""
    names = groups(source)
    come = [one.path for one in wanted if one.path in source.files and not _is_described_only(one)]
    files = [path for path in come if names.get(path, (path,))[0] == path]
    needed = sum(source.thin.get(path, source.files[path].size) for path in files)
    entries = room.free_entries(job.folder)
    if needed <= room.free_bytes(job.folder) and (entries is None or len(files) <= entries):
        return None
    return f"{len(files):,} files with {needed:,} bytes are to come"


def _is_described_only(one: Difference) -> bool:
    """Say whether its content is there already, as far as sizes and times tell."""
    return all(word in ("mode", "owner", "group") or word.startswith("attribute ") for word in one.what)


def too_small(job: FolderJob, why: str) -> StepFailed:
    """Return the error of a target that is too small; it names the place and what is free there."""
    return StepFailed(
        "target-full",
        what=f"the files of {job.system}/{job.name} do not fit into their folder",
        why=f"{room.left(job.folder)}; {why}",
        state="the source was only read and serves; no file is seen in the folder that is not complete",
        next=f"make the volume under {job.folder} larger, then the same command again: it goes on where it was",
    )


def _bytes_in(partial: Path) -> int:
    """Return how much of files has come that have no name yet."""
    found = 0
    with contextlib.suppress(OSError), os.scandir(partial) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found += entry.stat(follow_symlinks=False).st_size
    return found
