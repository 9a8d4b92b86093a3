"""Sets of files that stay files: where a system's pods find them, how many may open them, and what cannot be; pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from catalogue import demand
from catalogue.controls import Controls
from catalogue.reading import Fault, FieldPath
from catalogue.system import Files, System
from catalogue.written import Whole, Written

_OF_THE_POD: Final = ("/dev", "/proc", "/sys", "/tmp")  # noqa: S108  names of folders that every pod has
_OF_THE_IMAGE: Final = ("/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr")
_VOLUMES_ONLY: Final = ("path", "access")


def of(system: System) -> list[Files]:
    """Return the sets of files that lie on volumes."""
    return [files for files in system.files if files.kind == "volume"]


def buckets(system: System) -> list[Files]:
    """Return the sets of files that are objects in buckets."""
    return [files for files in system.files if files.kind == "bucket"]


def path(system: System, files: Files) -> str:
    """Return where pods find a volume: where its file says, else where the tree lies at the source."""
    return posixpath.normpath(files.path or system.source.files[files.name].path)


def faults(written: Written) -> Iterator[Fault]:
    """Yield what a system's own file says wrong of its sets of files."""
    system, taken = written.system, dict[str, str]()
    for index, files in enumerate(system.files):
        if (files.kind == "volume") != (files.storage is not None):
            sentence = f"files {files.name!r}: a volume needs storage, a bucket has none"
            yield written.fault(("files", index), sentence)
        if files.kind == "volume" and "kept_days" in files.model_fields_set:
            sentence = f"files {files.name!r}: a volume keeps nothing that was overwritten; leave kept_days out"
            yield written.fault(("files", index, "kept_days"), sentence)
        if files.kind == "bucket":
            for field in sorted(files.model_fields_set.intersection(_VOLUMES_ONLY)):
                sentence = f"files {files.name!r}: no pod opens a bucket as a folder; leave {field} out"
                yield written.fault(("files", index, field), sentence)
            continue
        where = path(system, files)
        if why := _unusable(system, files, where):
            yield written.fault(_path_field(index, files), f"files {files.name!r}: {why}")
        for other, name in taken.items():
            if _within(where, other) or _within(other, where):
                sentence = f"files {files.name!r} would lie at {where}, in the way of {name!r} at {other}"
                yield written.fault(_path_field(index, files), sentence)
        taken[where] = files.name


def access_faults(written: Written, whole: Whole, asked: Controls | None) -> Iterator[Fault]:
    """Yield volumes that more pods would open than they can be opened by; `asked` as for replicas and instances."""
    system, pods = written.system, demand.web_pods(written.system, asked)
    for index, files in enumerate(system.files):
        if files.kind != "volume":
            continue
        if files.access == "many-pods" and whole.province.target.shared_storage_class is None:
            sentence = (
                f"files {files.name!r} are a volume that several pods open, and province.yaml names no "
                "target.shared_storage_class: name a class whose volumes several nodes may write (NFS, CephFS), or say "
                "access: one-pod, or make them a bucket"
            )
            yield written.fault(("files", index, "kind"), sentence)
        if files.access == "one-pod" and pods > 1:
            why = "web.replicas" if system.web.replicas > 1 else f"what level {system.level} asks for"
            sentence = (
                f"files {files.name!r} are a volume that one pod opens, and {pods} web pods would ({why}): "
                "only access: many-pods can be given"
            )
            yield written.fault(("files", index, "access"), sentence)


def _path_field(index: int, files: Files) -> FieldPath:
    return ("files", index, "path") if files.path else ("source", "files", files.name, "path")


def _unusable(system: System, files: Files, where: str) -> str | None:
    """Return why no volume can lie there, if none can."""
    written = files.path or system.source.files[files.name].path
    program = f"/opt/{system.id}"
    if ":" in where or where.startswith("//") or where not in (written, written.rstrip("/")):
        return f"path {written} is not written plainly, or has a colon: no pod could be told of it"
    if any(_within(each, where) for each in (*_OF_THE_POD, *_OF_THE_IMAGE, f"{program}/bin", f"{program}/venv")):
        return f"a volume at {where} would hide what a pod needs there: give another path"
    if any(_within(where, each) for each in (*_OF_THE_POD, f"{program}/bin", f"{program}/venv")):
        return f"{where} is a part of what a pod has of its own: give another path"
    return None


def _within(inner: str, outer: str) -> bool:
    """Say whether a path is another one or lies in it."""
    return posixpath.commonpath([inner, outer]) == outer
