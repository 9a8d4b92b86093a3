"""`dcshift catalogue …`: reads what people intend and says what is wrong or what norms ask for; it changes nothing."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from migration.cli.output import OUT, plural
from migration.cli.session import SESSION

if TYPE_CHECKING:
    from catalogue.load import Examined, Fault
    from catalogue.norms import Change, NormSet

app = typer.Typer(help="What people intend.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check() -> int:
    """Read the catalogue; name every fault and warning of every file at once, with its line."""
    from catalogue import norms
    from catalogue.load import CatalogueError, examine

    workspace = SESSION.workspace()
    now = datetime.datetime.fromtimestamp(workspace.clock.now(), datetime.UTC)
    examined = examine(workspace.catalogue_folder, now)
    read = examined.catalogue
    if examined.faults or read is None:
        _say_warnings(examined)
        if OUT.json:
            OUT.result({"folder": str(workspace.catalogue_folder), **_said(examined)}, lambda: None)
        raise CatalogueError(examined.faults)
    used = norms.named(read.province.norms)
    document = {
        "hash": read.hash,
        "folder": str(workspace.catalogue_folder),
        "norms": {"id": used.id, "controls": len(used.controls), "unverified": list(used.unverified)},
        "systems": [{"id": system.id, "level": system.level, "wave": system.wave} for system in read.systems],
        **_said(examined),
    }

    def people() -> None:
        for system in read.systems:
            print(f"  wave {system.wave}  {system.id:<12} level {system.level}  {system.name.vi}")
        unverified = f"{len(used.unverified)} of {len(used.controls)} controls not compared with the text of the law"
        print(f"  norms {used.id}: {unverified}")
        warnings = len(_warnings(examined))
        warned = f", {plural(warnings, 'warning')}" if warnings else ""
        print(f"{workspace.catalogue_folder}: {len(read.systems)} systems, no fault{warned}, hash {read.hash[:6]}")

    _say_warnings(examined)
    OUT.result(document, people)
    return 0


@app.command("norms-diff")
def norms_diff(
    source: Annotated[str, typer.Argument(metavar="A", help="The norms to come from, such as vn-2016.")],
    target: Annotated[str, typer.Argument(metavar="B", help="The norms to go to, such as vn-2026.")],
) -> int:
    """Say for each system what a change of norms asks for, with the legal reference of every control."""
    from catalogue.norms import differences

    read = SESSION.workspace().catalogue()
    before, after = _named(source), _named(target)
    found = [(system, differences(before, after, system.level)) for system in read.systems]
    document = {
        "from": before.id,
        "to": after.id,
        "in_force": after.in_force.isoformat(),
        "systems": [
            {"id": system.id, "level": system.level, "changes": [_change(after, change) for change in changes]}
            for system, changes in found
        ],
    }

    def people() -> None:
        print(f"{before.id} → {after.id}, in force from {after.in_force}: {after.name.en}")
        for system, changes in found:
            print(f"\n{system.id}, level {system.level}: {plural(len(changes), 'change')}")
            for change in changes:
                mark = "verified" if change.verified else "unverified"
                way = "stricter" if change.stricter else "looser"
                print(f"  {change.control:<24} {_shown(change.source)} → {_shown(change.target)}  {way}, {mark}")
                print(f"  {'':<24} {after.row(change.control).sentence.en}")
                print(f"  {'':<24} {change.reference}")

    OUT.result(document, people)
    return 0


def _say_warnings(examined: Examined) -> None:
    if not OUT.json:
        for warning in _warnings(examined):
            OUT.note(f"warning: {warning}")


def _warnings(examined: Examined) -> tuple[Fault, ...]:
    # Beside faults, what levels ask for in vain can wait: people mend those first.
    return examined.warnings if examined.faults else (*examined.warnings, *examined.unanswered)


def _said(examined: Examined) -> dict[str, Any]:
    def rows(faults: tuple[Fault, ...]) -> list[dict[str, Any]]:
        return [{"file": fault.file, "line": fault.line, "sentence": fault.sentence} for fault in faults]

    return {"faults": rows(examined.faults), "warnings": rows(_warnings(examined))}


def _named(norms_id: str) -> NormSet:
    from catalogue import norms
    from migration.errors import UsageError

    if norms_id not in norms.known():
        raise UsageError(
            "norms-unknown",
            what=f"there are no norms {norms_id}",
            why=f"the program knows {', '.join(norms.known())}",
            state="nothing was changed",
            next=f"dcshift catalogue norms-diff {' '.join(norms.known()[-2:])}",
        )
    return norms.named(norms_id)


def _change(norms: NormSet, change: Change) -> dict[str, Any]:
    sentence = norms.row(change.control).sentence
    return {
        "control": change.control,
        "from": change.source,
        "to": change.target,
        "stricter": change.stricter,
        "reference": change.reference,
        "verified": change.verified,
        "sentence": {"vi": sentence.vi, "en": sentence.en},
    }


def _shown(value: object) -> str:
    match value:
        case None:
            return "not asked"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
