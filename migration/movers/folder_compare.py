"""Decides from two lists of a tree, the source's and the target's, what differs and how; it asks nobody."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from migration.movers.files_attributes import NONE
from migration.movers.files_listing import FILE, FOLDER, LINK, Described, Seen
from migration.movers.files_names import shown
from migration.movers.folder_probe import Kept

MISSING, EXTRA, NAMES = "is missing in the folder", "is only in the folder", "is shared by other names"
ACLS: Final = ("system.posix_acl_access", "system.posix_acl_default")
_SENTENCES: Final = ("is ", "was ", "leads ")
_OURS: Final = ("user.", "security.capability", *ACLS)
"""Attributes that belong to the files. The rest is the platform's: labels of its policy, marks of its file system."""
_CARRIED: Final = (FILE, FOLDER, LINK)


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs of one path."""

    path: bytes
    kind: str
    what: tuple[str, ...]

    def __str__(self) -> str:
        alone = len(self.what) == 1 and self.what[0].startswith(_SENTENCES)
        said = self.what[0] if alone else f"differs ({', '.join(self.what)})"
        return f"{self.kind} {shown(self.path) or '.'}: {said}"


def is_carried(one: Described) -> bool:
    """Say whether it is something that a folder can hold as it is at the source."""
    return one.kind in _CARRIED


def differences(source: Seen, target: Seen, kept: Kept) -> dict[bytes, Difference]:
    """Return what differs, by path; `kept` says what the target's file system can hold and people want held."""
    shared_there, shared_here = groups(source), groups(target, among=source.described)
    found: dict[bytes, Difference] = {}
    for path, one in source.described.items():
        if not is_carried(one):
            continue
        here = target.described.get(path)
        if here is None:
            what = [MISSING]
        elif here.kind != one.kind:
            what = [f"is a {one.kind} at the source and a {here.kind} in the folder"]
        else:
            what = list(_of_one(path, source, target, kept))
            if kept.hard_links and shared_there.get(path, ()) != shared_here.get(path, ()):
                what.append(NAMES)
        if what:
            found[path] = Difference(path, one.kind, tuple(what))
    for path, one in target.described.items():
        if path not in source.described or not is_carried(source.described[path]):
            found[path] = Difference(path, one.kind, (EXTRA,))
    return found


def groups(seen: Seen, among: Container[bytes] | None = None) -> dict[bytes, tuple[bytes, ...]]:
    """Return for each file that has several names in the tree, or among these, all of them."""
    names: dict[bytes, list[bytes]] = {}
    for path, which in seen.same.items():
        if among is None or path in among:
            names.setdefault(which, []).append(path)
    return {path: tuple(sorted(many)) for many in names.values() if len(many) > 1 for path in many}


def attributes(one: Described, kept: Kept) -> dict[str, str]:
    """Return the attributes of a file that the target is to have; raises nothing where they were not read."""
    said: dict[str, str] = json.loads(one.attributes or NONE)
    return {
        name: value
        for name, value in said.items()
        if name.startswith(_OURS) and (kept.acls if name in ACLS else kept.attributes)
    }


def as_listed(path: bytes, one: Seen, other: Seen) -> bool:
    """Say whether both lists of the source say the same of a path, so that it was at rest in between."""
    before, after = one.described.get(path), other.described.get(path)
    if before is None or after is None:
        return before is after
    return (before.changed_ns, before.kind, one.files.get(path), one.times.get(path)) == (
        after.changed_ns,
        after.kind,
        other.files.get(path),
        other.times.get(path),
    )


def _of_one(path: bytes, source: Seen, target: Seen, kept: Kept) -> Iterator[str]:
    there, here = source.described[path], target.described[path]
    if there.kind == FILE:
        file, copy = source.files[path], target.files[path]
        if file.size != copy.size:
            yield "size"
        if file.mtime_ns != copy.mtime_ns:
            yield "time"
    elif source.times[path] != target.times[path]:
        yield "time"
    if there.kind == LINK and there.leads_to != here.leads_to:
        yield f"leads to {shown(there.leads_to)} at the source, to {shown(here.leads_to)} in the folder"
    if there.kind != LINK and there.mode != here.mode:
        yield "mode"
    if kept.owners:
        yield from (word for word in ("owner", "group") if getattr(there, word) != getattr(here, word))
    if there.attributes is not None:
        yield from _of_attributes(attributes(there, kept), attributes(here, kept))


def _of_attributes(there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            yield f"attribute {name}"
