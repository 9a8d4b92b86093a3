"""The demo from beginning to end: eight phases, a summary a manager understands, and an exit status that is earned."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lab import centres
from lab.addresses import SITES
from lab.apps.systems import SYSTEMS
from lab.demo import shell
from lab.demo.citizens import Citizens
from lab.demo.cloud import Cloud
from lab.demo.memory import PeakMemory
from lab.demo.numbers import summarise
from lab.demo.pages import assert_same, read_pages
from lab.demo.promises import assert_figures, audit_target
from lab.demo.screen import Screen
from lab.demo.summary import Summary, phase_rows
from lab.errors import LabError
from lab.paths import CHECKOUT
from lab.toolchain import TOOLS
from lab.toolchain.doctor import diagnose
from lab.toolchain.plugin import plugin_in_use

FOLDER: Final = CHECKOUT / "build" / "demo"
_RATE_PER_SECOND: Final = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose."""

    scale: str = "full"
    upgrade: bool = True


def main(options: Options) -> int:
    """Run the demo; return 0 only if every proof passed and no acknowledged write was lost."""
    for name in filter(shell.names_another_centre, tuple(os.environ)):
        del os.environ[name]  # the demo means the lab, whatever centre this terminal works on
    screen = Screen(total=8)
    print("dcshift demo · Khánh Hòa · both data centres on this machine\n")
    citizens = Citizens(FOLDER, _RATE_PER_SECOND)
    try:
        summary = _run(options, screen, citizens)
    except LabError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    finally:
        with contextlib.suppress(LabError):
            citizens.stop()
    report = FOLDER / "report" / "report.html"
    summary.write(FOLDER / "summary.json")
    print("\n" + "\n".join(summary.sentences(report.relative_to(CHECKOUT))))
    print(f"  numbers    {(FOLDER / 'summary.json').relative_to(CHECKOUT)}\n  away       make lab-down")
    return 0 if summary.verified else 1


def _run(options: Options, screen: Screen, citizens: Citizens) -> Summary:
    with screen.phase("tools") as say:
        plugin = _tools()
        fresh_folder()
        # An earlier demo's lab goes first: its memory is not this demo's.
        centres.down(lambda text: say(f"an earlier lab goes first: {text}"))
        say(f"{len(TOOLS)} ready · Kubernetes plugin: {plugin}")
    with PeakMemory() as memory:
        return _moved(options, screen, citizens, plugin, memory)


def _moved(options: Options, screen: Screen, citizens: Citizens, plugin: str, memory: PeakMemory) -> Summary:
    cloud = Cloud()
    with screen.phase("centres") as say:
        centres.up(say, scale=options.scale)
        citizens.start()
        say("db1 app1 files1 edge1 answer · node, CNPG, gateway, object store ready")
    with screen.phase("pulumi up") as say:
        resources = cloud.up_all(say)
        say(" · ".join(f"{stack} {number}" for stack, number in resources.items()) + f" resources · {plugin} plugin")
    with screen.phase("survey") as say:
        _survey_and_plan(say)
    for number, system in enumerate(SITES, start=1):
        with screen.phase(f"wave {number}") as say:
            _wave(number, system, say)
    with screen.phase("upgrade") as say:
        if options.upgrade:
            upgrade(cloud, say)
        else:
            say("left out, as asked")
    with screen.phase("proof") as say:
        citizens.stop()
        audits = {system: audit_target(citizens.ledger, system) for system in SITES}
        figures = assert_figures(options.scale)
        report = _dcshift("report", ["report", "--traffic", str(citizens.statistics), "--out", str(FOLDER / "report")])
        lost = sum(len(audit.lost) for audit in audits.values())
        written = sum(audit.acknowledged for audit in audits.values())
        chain = "intact" if report["chain"]["intact"] else "BROKEN"
        say(f"{written:,} acknowledged writes, {lost} lost · {figures} figures as filled · chain {chain}")
    return Summary(
        report_verified=bool(report["verified"]),
        plugin=plugin,
        phases=phase_rows(screen.phases),
        systems={system: summarise(system, report, citizens.read()[system], audits[system]) for system in SITES},
        memory_peak_bytes=memory.bytes,
        overhead_ratio=report["overhead_ratio"],
    )


def _tools() -> str:
    lacking = [checked for checked in diagnose() if not checked.ok]
    if lacking:
        raise LabError(
            "machine-lacks-something",
            what=f"this machine lacks {', '.join(checked.name for checked in lacking)}",
            why="; ".join(checked.detail for checked in lacking),
            state="nothing was started",
            next=lacking[0].mend or "dcshift doctor",
        )
    return plugin_in_use()


def fresh_folder() -> None:
    """Forget the numbers of an earlier demo; its journal and Pulumi state go with its lab."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)


def _survey_and_plan(say: Say) -> None:
    _dcshift("survey", ["survey"], say)
    plan = _dcshift("plan", ["plan"], say)
    say(f"{len(SITES)} systems → plan {plan['id'][:6]}, {len(plan['steps'])} steps, {len(SITES)} waves")


def _wave(number: int, system: str, say: Say) -> None:
    ended = _dcshift(f"wave-{number}", ["run", "--wave", str(number)], say)
    say(f"{system}: {ended['systems'][system]['state']} · requests were held {ended['hold_seconds'][system]:.1f} s")


def upgrade(cloud: Cloud, say: Say) -> None:
    """Deploy the newer release of each system, as its own pipeline would, and let the target keep its jobs."""
    for system in SYSTEMS:
        before = read_pages(system)
        cloud.deploy(system.name, system.release_later, say)
        assert_same(system, before, read_pages(system, deployed=True))
    moved = " · ".join(f"{system.name} {system.release} → {system.release_later}" for system in SYSTEMS)
    say(f"{moved} · {sum(len(system.pages) for system in SYSTEMS)} pages say what they said")


def _dcshift(name: str, argv: list[str], say: Say | None = None) -> Mapping[str, Any]:
    return shell.run(name, ["dcshift", "--json", *argv], say=say, timeout_seconds=1800).json()


def summary_path() -> Path:
    """Return where the numbers of the last demo are."""
    return FOLDER / "summary.json"
