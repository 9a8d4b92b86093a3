"""Writes into the bucket what an object store does not keep of a tree; it reads our own index and no source."""

from __future__ import annotations

import json

from migration.model.words import Json
from migration.movers.files_attributes import NONE
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import FILE, FOLDER, LINK, Described
from migration.movers.files_names import MANIFEST, shown
from migration.movers.files_store import Store


def write(job: FilesJob) -> str:
    """Write one JSON line for each file, folder and thing left behind; return its key."""
    index = Index(job.staging)
    entries, described = index.entries(), index.described()
    lines = [_file(entry, described.get(path)) for path, entry in sorted(entries.items())]
    lines += [_beside(path, one) for path, one in sorted(described.items()) if one.kind != FILE]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    Store(job).put_bytes(MANIFEST, text.encode())
    return MANIFEST


def _file(entry: Entry, described: Described | None) -> dict[str, Json]:
    return {
        "path": shown(entry.path),
        "key": entry.key,
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "mode": f"{entry.mode:04o}",
        **(owned(described) if described else {}),
        "md5": entry.md5,
        "part_bytes": entry.part_bytes,
    }


def _beside(path: bytes, one: Described) -> dict[str, Json]:
    said: dict[str, Json] = {"path": shown(path)}
    if one.kind == FOLDER:
        return {**said, "folder": True, "mode": f"{one.mode:04o}", **owned(one)}
    leads: dict[str, Json] = {"leads_to": shown(one.leads_to)} if one.kind == LINK else {}
    return {**said, "left_behind": one.kind, **leads, **owned(one)}


def owned(one: Described) -> dict[str, Json]:
    """Owner and group by number, names that share one file, attributes in base64: null where they were not read."""
    said: dict[str, Json] = {"owner": one.owner, "group": one.group}
    if one.kind == FILE:
        said["links"] = one.links
    if one.attributes != NONE:
        said["attributes"] = json.loads(one.attributes) if one.attributes is not None else None
    return said
