"""What a level asks for and nothing here carries out, said to whoever owns the system; pure, and it refuses nothing.

Who carries out what is read off the code elsewhere (docs/norms.md); a test holds that table and this one equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from catalogue import node_pools
from catalogue.controls import IDS, Controls, Value, rank
from catalogue.province import Province
from catalogue.reading import Fault
from catalogue.system import System
from catalogue.written import Whole, Written

PAGE: Final = "docs/norms.md"
UP_TO: Final[Mapping[str, Value]] = {
    "second-site": False,
    "postgres-remote-replica": False,
    "backup-copies-min": 1,
    "backup-offline-copy": False,
    "encryption-in-transit": "edge",
    "encryption-at-rest": "none",
    "access-mfa": False,
    "access-just-in-time": False,
    "access-two-person": False,
    "runtime-sensor": False,
    "log-retention-days-min": None,
}
"""How far these controls are met whatever a level asks; one that asks for more asks in vain."""


def warnings(systems: Sequence[Written], whole: Whole) -> Iterator[Fault]:
    """Yield one sentence for each system whose level asks for what nobody carries out, on the line of its level."""
    for written in systems:
        found = of(whole.controls(written.system), whole.province, written.system)
        if found:
            many = f"{len(found)} controls" if len(found) > 1 else "a control"
            sentence = f"level {written.system.level} asks for {many} that nothing here carries out ({PAGE}): "
            yield written.fault(("level",), sentence + ", ".join(found))


def of(controls: Controls, province: Province, system: System) -> tuple[str, ...]:
    """Return what these controls ask of a system in vain, as people read it: `log-retention-days-min 90`."""
    pool: Value = node_pools.met(system, controls, province.target)
    up_to = {**UP_TO, **_of_the_log(province), "node-pool": pool}
    asked = {control: getattr(controls, IDS[control]) for control in IDS if control in up_to}
    return tuple(
        control if value is True else f"{control} {value}"
        for control, value in asked.items()
        if rank(IDS[control], value) > rank(IDS[control], up_to[control])
    )


def _of_the_log(province: Province) -> dict[str, Value]:
    """Return how far the province's security log goes; where it declares none, nothing is collected or sent."""
    log = province.security_log
    return {
        "central-logs": log is not None,
        "soc-sink": log is not None,
        "ncsc-share": log is not None and log.national is not None,
    }
