"""Writes into the bucket what an object store does not keep of a tree; it reads our own index and no source."""

from __future__ import annotations

import json
from collections.abc import Iterator

from migration.model.words import Json
from migration.movers.files_index import Entry, Index
from migration.movers.files_job import FilesJob
from migration.movers.files_listing import FOLDER, LINK, Beside
from migration.movers.files_names import MANIFEST, shown
from migration.movers.files_store import Store


def write(job: FilesJob) -> str:
    """Write one JSON line for each file, folder and thing left behind; return its key."""
    index = Index(job.staging)
    lines = [*_of_files(index), *(_beside(path, one) for path, one in sorted(index.beside().items()))]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    Store(job).put_bytes(MANIFEST, text.encode())
    return MANIFEST


def _of_files(index: Index) -> Iterator[dict[str, Json]]:
    for _, entry in sorted(index.entries().items()):
        yield _file(entry)


def _file(entry: Entry) -> dict[str, Json]:
    return {
        "path": shown(entry.path),
        "key": entry.key,
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "mode": f"{entry.mode:04o}",
        "md5": entry.md5,
        "part_bytes": entry.part_bytes,
    }


def _beside(path: bytes, one: Beside) -> dict[str, Json]:
    if one.kind == FOLDER:
        return {"path": shown(path), "folder": True}
    leads: dict[str, Json] = {"leads_to": shown(one.leads_to)} if one.kind == LINK else {}
    return {"path": shown(path), "left_behind": one.kind, **leads}
