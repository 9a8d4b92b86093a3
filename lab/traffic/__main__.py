"""Run citizens against the public names until told to stop; in-flight visits are finished, nothing is sent twice."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

from lab.addresses import SITES
from lab.errors import LabError
from lab.traffic.feedback import FeedbackCitizens
from lab.traffic.ledger import Ledger
from lab.traffic.portal import PortalCitizens
from lab.traffic.reach import local_address
from lab.traffic.site import Door, Site, Visit, VisitFailed, from_the_lab
from lab.traffic.statistics import Statistics

_WEIGHTS: Final = {"portal": 3, "feedback": 2}
_IN_FLIGHT_MAX: Final = 1_500
_FINISH_SECONDS_MAX: Final = 50.0


class _Citizens(Protocol):
    visits: tuple[Visit, ...]


_KINDS: Final[dict[str, Callable[[Site], _Citizens]]] = {"portal": PortalCitizens, "feedback": FeedbackCitizens}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m lab.traffic", description=__doc__)
    parser.add_argument("--systems", default="portal,feedback", help="comma-separated")
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second, all systems together")
    parser.add_argument("--ledger", type=Path, required=True, help="JSON lines, appended")
    parser.add_argument("--stats-file", type=Path, required=True, help="JSON, replaced each second")
    parser.add_argument("--ca", required=True, help="PEM of the authority that signed the sites' certificates")
    parser.add_argument("--resolve", required=True, help="address (or address:port) that the public names stand for")
    parser.add_argument("--duration", type=float, default=0.0, help="seconds; without it until SIGTERM")
    given = parser.parse_args()
    unknown = [name for name in given.systems.split(",") if name not in _KINDS]
    if unknown:
        parser.error(f"unknown system {unknown[0]}; known: {', '.join(_KINDS)}")
    if given.rate <= 0:
        parser.error("--rate must be above 0")
    try:
        given.local_address = local_address(given.resolve)
        asyncio.run(_run(given))
    except LabError as error:
        sys.exit(str(error))


async def _run(given: argparse.Namespace) -> None:
    systems = given.systems.split(",")
    statistics = Statistics(systems, given.stats_file)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Ledger(given.ledger) as ledger:
        transport = from_the_lab(given.local_address, given.ca)
        sites = [Site(name, Door(SITES[name], given.resolve, transport), statistics, ledger) for name in systems]
        visits = [visit for site in sites for visit in _visits(site)]
        shown = asyncio.create_task(_show(statistics))
        try:
            await _launch(visits, given.rate, given.duration, stop, statistics)
        finally:
            shown.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await shown
            for site in sites:
                await site.close()
    statistics.write(finished=True)


def _visits(site: Site) -> list[Visit]:
    return [(do, weight * _WEIGHTS[site.system], cost) for do, weight, cost in _KINDS[site.system](site).visits]


async def _launch(
    visits: list[Visit], rate_per_second: float, duration_seconds: float, stop: asyncio.Event, statistics: Statistics
) -> None:
    """Start visits on time whatever became of earlier ones: a slow site must not make its citizens fewer."""
    chance, running = random.Random(), set[asyncio.Task[None]]()  # noqa: S311  nothing secret is drawn
    weights = [weight for _, weight, _ in visits]
    started = due = time.monotonic()
    while not stop.is_set() and not (duration_seconds and due - started >= duration_seconds):
        do, _, cost = chance.choices(visits, weights)[0]
        if len(running) < _IN_FLIGHT_MAX:
            task = asyncio.create_task(_visit(do))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            statistics.visits_dropped += 1
        due += cost / rate_per_second
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
    if running:
        await asyncio.wait(running, timeout=_FINISH_SECONDS_MAX)
    for task in running:
        task.cancel()  # its write stays in the ledger as sent, which the audit takes as unanswered
    await asyncio.gather(*running, return_exceptions=True)


async def _visit(do: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(VisitFailed):
        await do()


async def _show(statistics: Statistics) -> None:
    while True:
        statistics.write()
        for _ in range(4):  # what waits now is looked at oftener than it is shown
            await asyncio.sleep(0.25)
            for counters in statistics.systems.values():
                counters.waiting_over_half_second()


if __name__ == "__main__":
    main()
