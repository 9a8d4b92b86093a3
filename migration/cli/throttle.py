"""`dcshift throttle`: how many bytes a second may be copied while the source serves; a running copy obeys at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT

if TYPE_CHECKING:
    from migration.errors import UsageError

_FACTORS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_RATE = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?) ?(?P<unit>k|M|G|Ki|Mi|Gi|)B?(?:/s)?")


def register(app: typer.Typer) -> None:
    @app.command()
    def throttle(
        systems: Annotated[
            list[str] | None, typer.Argument(help="Systems that it holds for; all of the plan by default.")
        ] = None,
        to: Annotated[
            str | None, typer.Option(help="Bytes a second: 500k, 5M, 1.5MiB/s; `off` takes the limit away.")
        ] = None,
        plan: PlanOption = None,
    ) -> int:
        """Show or change how fast a system may be copied while its source serves; a freeze is never slowed."""
        from migration import store
        from migration.movers import throttle as limits

        wanted = None if to is None else _rate(to)
        workspace, pinned, chosen = meant(plan, systems)
        found: dict[str, int | None] = {}
        for system in chosen:
            file = workspace.private(workspace.state / "systems" / system) / limits.FILE
            if wanted is not None:
                store.write(file, f"{wanted}\n" if wanted else "")
            found[system] = limits.read(file)

        def people() -> None:
            for system, rate in found.items():
                print(f"{system:<12} {said(rate)}")

        OUT.result({"plan": pinned.plan.id, "bytes_per_second_max": found}, people)
        return 0


def said(rate: int | None) -> str:
    """Return a limit as people read it."""
    if rate is None:
        return "no limit"
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if rate >= factor:
            return f"at most {rate / factor:.1f} {unit}/s while the source serves"
    return f"at most {rate} B/s while the source serves"


def _rate(text: str) -> int:
    """Return the bytes a second that are meant, 0 for no limit. Raises `UsageError`."""
    from migration.movers.throttle import BYTES_PER_SECOND_MAX, BYTES_PER_SECOND_MIN

    if text == "off":
        return 0
    match = _RATE.fullmatch(text)
    if match is None:
        raise _unclear(text, "it is no number with a unit (k, M, G, Ki, Mi, Gi), and not `off`")
    rate = int(float(match["number"]) * _FACTORS[match["unit"]])
    if rate < BYTES_PER_SECOND_MIN:
        why = f"less than {BYTES_PER_SECOND_MIN} bytes a second looks like a dead connection to the other end"
        raise _unclear(text, why)
    if rate > BYTES_PER_SECOND_MAX:
        raise _unclear(text, "no wire carries so much: `off` takes the limit away")
    return rate


def _unclear(text: str, why: str) -> UsageError:
    from migration.errors import UsageError

    return UsageError(
        "rate-unclear",
        what=f"--to {text[:40]!r} is no limit",
        why=why,
        state="nothing was changed: what was set before still holds",
        next="dcshift throttle SYSTEM --to 5M, or --to off; dcshift pause stops a move altogether",
    )
