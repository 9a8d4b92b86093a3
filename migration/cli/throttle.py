"""`dcshift throttle`: how fast, and how busy a source may be, while it serves and is copied; a running copy obeys."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT, size

if TYPE_CHECKING:
    from pathlib import Path

    from migration.errors import UsageError
    from migration.movers.limits import Limits

_FACTORS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_BYTES = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?) ?(?P<unit>k|M|G|Ki|Mi|Gi|)B?")
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Held:
    """All limits of one system."""

    bytes_per_second: int | None
    source: Limits


def register(app: typer.Typer) -> None:
    @app.command()
    def throttle(
        systems: Annotated[
            list[str] | None, typer.Argument(help="Systems that it holds for; all of the plan by default.")
        ] = None,
        *,
        to: Annotated[
            str | None, typer.Option(help="Bytes a second: 500k, 5M, 1.5MiB/s; `off` takes the limit away.")
        ] = None,
        source_load: Annotated[
            str | None,
            typer.Option(help="Wait while more than so many are at work at the source: 4, 2.5; or `off`."),
        ] = None,
        replica_lag: Annotated[
            str | None, typer.Option(help="Wait while a replica of the source is further behind: 64Mi, 1G; or `off`.")
        ] = None,
        stop_at_load: Annotated[
            str | None, typer.Option(help="End the copy when more than so many are at work at the source; or `off`.")
        ] = None,
        stop_at_log: Annotated[
            str | None,
            typer.Option(help="End the copy of a database when the source keeps more log for it: 20Gi; or `off`."),
        ] = None,
        plan: PlanOption = None,
    ) -> int:
        """Show or change how fast and beside how much load a source may be copied while it serves; never a freeze."""
        from migration import store
        from migration.movers import limits, throttle

        wanted = None if to is None else _rate(to)
        changed: dict[str, Any] = {}
        for name, option, text, read in (
            ("wait_load", "--source-load", source_load, _load),
            ("wait_lag_bytes", "--replica-lag", replica_lag, _size),
            ("stop_load", "--stop-at-load", stop_at_load, _load),
            ("stop_log_bytes", "--stop-at-log", stop_at_log, _size),
        ):
            if text is not None:
                changed[name] = None if text == "off" else read(option, text)
        workspace, pinned, chosen = meant(plan, systems)
        folders = {name: workspace.private(workspace.state / "systems" / name) for name in chosen}
        meant_limits = {name: replace(limits.read(each / limits.FILE), **changed) for name, each in folders.items()}
        for one in meant_limits.values():
            _assert_waits_before_it_stops(one)
        for name, each in folders.items():
            if wanted is not None:
                store.write(each / throttle.FILE, f"{wanted}\n" if wanted else "")
            if changed:
                store.write(each / limits.FILE, meant_limits[name].as_json())
        found = {name: held(each) for name, each in folders.items()}
        document = {
            "plan": pinned.plan.id,
            "bytes_per_second_max": {name: one.bytes_per_second for name, one in found.items()},
            "source_limits": {name: asdict(one.source) for name, one in found.items()},
        }

        def people() -> None:
            for name, one in found.items():
                print(f"{name:<12} {said(one) or 'no limit'}")

        OUT.result(document, people)
        return 0


def held(folder: Path) -> Held:
    """Return the limits that lie in a folder of a system's records."""
    from migration.movers import limits, throttle

    return Held(throttle.read(folder / throttle.FILE), limits.read(folder / limits.FILE))


def said(held: Held) -> str:
    """Return limits as people read them; empty when there are none."""
    parts, source = [], held.source
    if held.bytes_per_second is not None:
        parts.append(f"at most {_rate_said(held.bytes_per_second)} while the source serves")
    above = [] if source.wait_load is None else [f"source load {source.wait_load:.1f}"]
    above += [] if source.wait_lag_bytes is None else [f"{size(source.wait_lag_bytes)} of replica lag"]
    if above:
        parts.append(f"waits above {' or '.join(above)}")
    above = [] if source.stop_load is None else [f"source load {source.stop_load:.1f}"]
    above += [] if source.stop_log_bytes is None else [f"{size(source.stop_log_bytes)} of kept log"]
    if above:
        parts.append(f"ends above {' or '.join(above)}")
    return "; ".join(parts)


def _rate_said(rate: int) -> str:
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if rate >= factor:
            return f"{rate / factor:.1f} {unit}/s"
    return f"{rate} B/s"


def _rate(text: str) -> int:
    """Return the bytes a second that are meant, 0 for no limit. Raises `UsageError`."""
    from migration.movers.throttle import BYTES_PER_SECOND_MAX, BYTES_PER_SECOND_MIN

    if text == "off":
        return 0
    rate = _bytes("--to", text.removesuffix("/s"))
    if rate < BYTES_PER_SECOND_MIN:
        why = f"less than {BYTES_PER_SECOND_MIN} bytes a second looks like a dead connection to the other end"
        raise _unclear("--to", text, why)
    if rate > BYTES_PER_SECOND_MAX:
        raise _unclear("--to", text, "no wire carries so much: `off` takes the limit away")
    return rate


def _size(option: str, text: str) -> int:
    from migration.movers.limits import BYTES_MAX, BYTES_MIN

    count = _bytes(option, text)
    if not BYTES_MIN <= count <= BYTES_MAX:
        raise _unclear(option, text, f"it must be between {size(BYTES_MIN)} and {size(BYTES_MAX)}")
    return count


def _bytes(option: str, text: str) -> int:
    match = _BYTES.fullmatch(text)
    if match is None:
        raise _unclear(option, text, "it is no number with a unit (k, M, G, Ki, Mi, Gi), and not `off`")
    return int(float(match["number"]) * _FACTORS[match["unit"]])


def _load(option: str, text: str) -> float:
    from migration.movers.limits import LOAD_MAX, LOAD_MIN

    if _NUMBER.fullmatch(text) is None or not LOAD_MIN <= float(text) <= LOAD_MAX:
        raise _unclear(option, text, f"it is no number between {LOAD_MIN} and {LOAD_MAX:,.0f}, and not `off`")
    return float(text)


def _assert_waits_before_it_stops(one: Limits) -> None:
    if one.wait_load is not None and one.stop_load is not None and one.stop_load <= one.wait_load:
        why = f"it would end the copy at the load at which --source-load {one.wait_load} lets it wait"
        raise _unclear("--stop-at-load", str(one.stop_load), why)


def _unclear(option: str, text: str, why: str) -> UsageError:
    from migration.errors import UsageError

    return UsageError(
        "rate-unclear",
        what=f"{option} {text[:40]!r} is no limit",
        why=why,
        state="nothing was changed: what was set before still holds",
        next="dcshift throttle --help   has examples; dcshift pause stops a move altogether",
    )
