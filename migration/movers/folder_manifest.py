"""Writes down, a JSON line for each entry, how the source was when it was compared; it reads no side itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from migration.model.words import Json
from migration.movers.files_listing import FILE, LINK, Seen
from migration.movers.files_manifest import owned
from migration.movers.files_names import shown
from migration.movers.folder_compare import groups, is_carried
from migration.movers.folder_job import FolderJob

NAME: Final = "manifest.jsonl"


def write(job: FolderJob, source: Seen, hashes: Mapping[bytes, str]) -> Path:
    """Write it beside what we remember, as a whole or not at all; return where."""
    there = job.staging / NAME
    draft = there.with_suffix(".new")
    with draft.open("w") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in _lines(source, hashes))
    draft.replace(there)
    return there


def _lines(source: Seen, hashes: Mapping[bytes, str]) -> Iterator[dict[str, Json]]:
    names = groups(source)
    for path, one in sorted(source.described.items()):
        line: dict[str, Json] = {"path": shown(path) or "."}
        if shown(path).encode() != path:
            line["path_base64"] = base64.b64encode(path).decode()
        if one.kind == FILE:
            line |= {"size": source.files[path].size, "mtime_ns": source.files[path].mtime_ns}
            line |= {"sha256": hashes[path]} if path in hashes else {}
        else:
            line |= {"kind": one.kind, "mtime_ns": source.times[path]}
        line |= {"leads_to": shown(one.leads_to)} if one.kind == LINK else {}
        line |= {"mode": f"{one.mode:04o}", **owned(one)}
        others = [shown(name) for name in names.get(path, ()) if name != path]
        line |= {"shared_with": [*others]} if others else {}
        yield line if is_carried(one) else {**line, "left_behind": one.kind}
