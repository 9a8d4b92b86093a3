"""Measures everything on data of one size: a database, then a tree of files of as many bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.data import agenda, databases, shapes
from bench.data.agenda import FILLING, TREE, Step
from bench.data.databases import Databases
from bench.data.names import FOLDER_BYTES_MAX
from bench.data.results import Moved
from bench.data.round import Rounds
from bench.data.shapes import Tree


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out of one size, besides the runs."""

    rounds: int
    moved: Moved
    servers: dict[str, str]
    """Versions of the servers."""


def steps(every: Rounds, rounds: int) -> list[Step]:
    """Return what will be done on data of one size."""
    size = every.size_bytes
    return [
        *agenda.database(size, rounds, every.copiers, every.provers),
        *agenda.objects(size, rounds, every.carriers),
        *agenda.folders(size, rounds, every.keepers),
    ]


def measure(every: Rounds, rounds: int, enough: Callable[[int], bool] = lambda done: False) -> Measured:
    """Measure in so many rounds, or in fewer if after one of the database's it is `enough`. Raises `LabError`."""
    folder, size, on = every.folder, every.size_bytes, every.agenda
    with ExitStack() as stack:
        with on.step(FILLING, size, f"filling a database of {size / 1e9:.2f} GB"):
            at = stack.enter_context(databases.running(folder, size))
        for number in range(1, rounds + 1):
            every.database(at, number)
            if number < rounds and enough(number):
                rounds = number
                break
        with at.source.admin(shapes.DATABASE) as admin:
            whole, bytes_there = databases.census(admin), databases.size_bytes(admin)
        versions = _versions(at)
    files, tree = shapes.tree(size), folder / "tree"
    with on.step(TREE, size, f"writing a tree of {size / 1e9:.2f} GB"):
        shapes.write(files, tree)
    for number in range(1, rounds + 1):
        every.objects(tree, files, number)
    shutil.rmtree(tree)
    small = _in_folders(every, tree, rounds)
    moved = Moved(
        database_bytes=bytes_there, rows=whole.rows, large_objects=whole.owed["large objects"],
        files=len(files.sizes), file_bytes=files.bytes,
        folder_files=len(small.sizes) if small else None, folder_bytes=small.bytes if small else None,
    )  # fmt: skip
    return Measured(rounds, moved, versions)


def _in_folders(every: Rounds, tree: Path, rounds: int) -> Tree | None:
    """Have a small tree carried into folders, where that is measured at this size; return the tree."""
    if not every.keepers:
        return None
    size = min(every.size_bytes, FOLDER_BYTES_MAX)
    files = shapes.tree(size)
    with every.agenda.step(TREE, size, f"writing a tree of {size / 1e9:.2f} GB"):
        shapes.write(files, tree)
    for number in range(1, rounds + 1):
        every.trees(tree, files, number)
    shutil.rmtree(tree)
    return files


def _versions(at: Databases) -> dict[str, str]:
    ask = "SHOW server_version"
    found = {}
    for name, server in (("PostgreSQL (source)", at.source), ("PostgreSQL (target, and its programs)", at.target)):
        with server.admin() as admin:
            found[name] = str((admin.execute(ask).fetchone() or ("unknown",))[0])
    return found
