"""Compares the source, as it lists itself under the freeze, with what was recorded of it; it only reads."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from migration.movers import files_described, files_listing
from migration.movers.files_attributes import NONE
from migration.movers.files_index import Index
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import FILE, FOLDER, LINK, Described, Seen
from migration.movers.files_names import shown


def changed(job: FilesJob) -> list[str]:
    """Return every difference since the last pass, of files, links, and folders without files.

    Raises `StepFailed` (not-a-file) when something came that nobody decided to leave behind.
    """
    at = _Both(job, files_listing.look(job, frozen=True).decided(job))
    gone, new = at.entries.keys() - at.seen.files.keys(), at.seen.files.keys() - at.entries.keys()
    said = [f"file {shown(path)}: is gone at the source" for path in gone]
    said += [f"file {shown(path)}: is new at the source" for path in new]
    return sorted([*said, *at.of_files(), *at.of_the_rest()])


def not_brought(job: FilesJob) -> list[str]:
    """Return the differences that no comparison with the staging tree finds: all but names, sizes, times, content."""
    at = _Both(job, files_listing.look(job, frozen=True))
    return sorted([*at.of_files(but=("size", "time")), *at.of_the_rest()])


class _Both:
    """The source as it lists itself, and what was recorded of it."""

    def __init__(self, job: FilesJob, seen: Seen) -> None:
        index = Index(job.staging)
        self.seen, self.entries = seen, index.entries()
        # What an earlier release handed over was not described.
        self._is_described = index.fact(files_described.RECORDED) is not None
        self._before = index.described() if self._is_described else {}
        known = {path: one for path, one in seen.described.items() if path in self._before}
        self._now = seen.described | files_described.with_attributes(job, index, known, self._before, frozen=True)

    def of_files(self, *, but: Collection[str] = ()) -> Iterator[str]:
        """Yield each file that is there and is not as it was carried, with what differs."""
        for path in self.seen.files.keys() & self.entries.keys():
            one, entry = self.seen.files[path], self.entries[path]
            pairs = {"size": (one.size, entry.size), "time": (one.mtime_ns, entry.mtime_ns)}
            what = [word for word, (here, carried) in pairs.items() if here != carried and word not in but]
            what += ["mode"] if one.mode != entry.mode else []
            what += self._differing(path)
            if what:
                yield f"file {shown(path)}: differs ({', '.join(what)})"

    def _differing(self, path: bytes) -> list[str]:
        """Return what differs in how the source describes it, but for its mode."""
        here, then = self._now[path], self._before.get(path)
        if then is None or here == then:
            return []
        pairs = {"owner": (here.owner, then.owner), "group": (here.group, then.group)}
        if here.kind == FILE:  # of a folder it is the number of folders in it
            pairs["links"] = (here.links, then.links)
        what = [word for word, (number, recorded) in pairs.items() if number != recorded]
        if None not in (here.attributes, then.attributes):
            now, before = (json.loads(one.attributes or NONE) for one in (here, then))
            odd = (name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
            what += [f"attribute {name}" for name in sorted(odd)]
        return what

    def of_the_rest(self) -> Iterator[str]:
        """Yield differences of links and folders. A socket comes and goes with its program: it is none."""
        if not self._is_described:
            return
        compared = _comparable(self._now, self.seen.files) | _comparable(self._before, self.entries)
        folders = {path for path, one in self._now.items() if one.kind == FOLDER and path in self._before}
        for path in sorted(compared | folders):
            here, then = self._now.get(path), self._before.get(path)
            said = f"{_noun(then or here)} {shown(path)}"
            if here is None:
                yield f"{said}: is gone at the source"
            elif then is None:
                yield f"{said}: is new at the source"
            elif here.kind != then.kind:
                yield f"{said}: is a {here.kind} at the source"
            elif here.leads_to != then.leads_to:
                leads, led = shown(here.leads_to), shown(then.leads_to)
                yield f"{said}: leads to {leads} at the source, led to {led} when it was left behind"
            elif what := [*(["mode"] if here.mode != then.mode else []), *self._differing(path)]:
                yield f"{said}: differs ({', '.join(what)})"


def _comparable(described: Mapping[bytes, Described], files: Iterable[bytes]) -> set[bytes]:
    """Return the links, and the folders in which nothing lies: of any other folder what lies in it is named."""
    holding = {path.rpartition(b"/")[0] for path in (*described, *files)}
    return {path for path, one in described.items() if one.kind == LINK or (one.kind == FOLDER and path not in holding)}


def _noun(one: Described | None) -> str:
    return "" if one is None else "link" if one.kind == LINK else one.kind
