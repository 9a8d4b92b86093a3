"""Compares the source, as it lists itself under the freeze, with what was recorded of it; it only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from migration.movers import files_listing
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import FOLDER, LINK, Beside, Found
from migration.movers.files_names import shown


def changed(job: FilesJob) -> list[str]:
    """Return every difference since the last pass: files by name, size, time and mode, links, folders without files.

    Raises `StepFailed` (not-a-file) when something came that nobody decided to leave behind.
    """
    seen, index = files_listing.look(job, frozen=True).decided(job), Index(job.staging)
    entries = index.entries()
    said = [f"file {shown(path)}: is gone at the source" for path in entries.keys() - seen.files.keys()]
    said += [f"file {shown(path)}: is new at the source" for path in seen.files.keys() - entries.keys()]
    said += [f"file {shown(path)}: differs ({what})" for path, what in _differing(seen.files, entries)]
    return sorted([*said, *_of_beside(seen, index)])


def not_brought(job: FilesJob) -> list[str]:
    """Return the differences that no comparison with the staging tree finds: modes, links, folders without files."""
    seen, index = files_listing.look(job, frozen=True), Index(job.staging)
    modes = [path for path, what in _differing(seen.files, index.entries()) if what == "mode"]
    return sorted([*(f"file {shown(path)}: differs (mode)" for path in modes), *_of_beside(seen, index)])


def _differing(found: Mapping[bytes, Found], entries: Mapping[bytes, Entry]) -> Iterator[tuple[bytes, str]]:
    """Yield each file that is there and is not as it was carried, with the first thing that differs."""
    for path in found.keys() & entries.keys():
        one, entry = found[path], entries[path]
        pairs = {"size": (one.size, entry.size), "time": (one.mtime_ns, entry.mtime_ns), "mode": (one.mode, entry.mode)}
        if what := next((word for word, (here, carried) in pairs.items() if here != carried), None):
            yield path, what


def _of_beside(seen: files_listing.Seen, index: Index) -> Iterator[str]:
    """Yield differences of links and of folders without files. A socket comes and goes with its program: it is none."""
    if index.fact("beside") is None:  # handed over before this was recorded
        return
    before = index.beside()
    for path in sorted(_comparable(seen.beside, seen.files) | _comparable(before, index.entries())):
        here, then = seen.beside.get(path), before.get(path)
        if here == then:
            continue
        what = f"{_noun(then or here)} {shown(path)}"
        if here is None:
            yield f"{what}: is gone at the source"
        elif then is None:
            yield f"{what}: is new at the source"
        elif here.kind != then.kind:
            yield f"{what}: is a {here.kind} at the source"
        else:
            leads, led = shown(here.leads_to), shown(then.leads_to)
            yield f"{what}: leads to {leads} at the source, led to {led} when it was left behind"


def _comparable(beside: Mapping[bytes, Beside], files: Iterable[bytes]) -> set[bytes]:
    """Return the links, and the folders in which nothing lies: of any other folder what lies in it is named."""
    holding = {path.rpartition(b"/")[0] for path in (*beside, *files)}
    return {path for path, one in beside.items() if one.kind == LINK or (one.kind == FOLDER and path not in holding)}


def _noun(one: Beside | None) -> str:
    return "" if one is None else "link" if one.kind == LINK else one.kind
