"""Both data centres as one lab: up side by side, down in order, nothing left behind; it moves nothing."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lab import network, records, target
from lab.errors import LabError
from lab.paths import RUN, STATE
from lab.source import centre as source

Progress = Callable[[str], None]


def up(progress: Progress, *, scale: str = "full", wal_level: str = "logical") -> None:
    """Bring both data centres up, from a clean state, with `scale` of the source's data (`full` or `tenth`).

    Raises `LabError` when this checkout holds the records of another centre, or when something does not start.
    """
    records.assert_ours_or_none()
    down(progress)
    records.begin()
    lock = threading.Lock()

    def say(side: str) -> Progress:
        def line(text: str) -> None:
            with lock:
                progress(f"{side}: {text}")

        return line

    # Preparing is heavy and shares the caches, so it is done one after another; starting is waiting, so side by side.
    source.prepare(say("source"), scale=scale)
    with ThreadPoolExecutor(2) as pool:
        tasks = [
            pool.submit(source.up, say("source"), scale=scale, wal_level=wal_level),
            pool.submit(target.up, say("target")),
        ]
        for task in tasks:
            task.result()


def down(progress: Progress) -> None:
    """Take both down, remove their state and the records of moves between them.

    Raises `LabError` when something is left on the machine.
    """
    target.down(lambda text: progress(f"target: {text}"))
    progress("source: stopping hosts")
    source.down()
    progress("removing what both kept, and the records of moves between them")
    for folder in (STATE, RUN):
        shutil.rmtree(folder, ignore_errors=True)
    records.forget()
    remains = [*network.leftovers(), *(str(folder) for folder in (STATE, RUN) if folder.exists())]
    if remains:
        raise LabError(
            "lab-left-behind",
            what="the lab is not quite gone",
            why=f"left: {', '.join(remains)}",
            state="all processes of the lab are stopped",
            next="remove these by hand, or run the command again",
        )
