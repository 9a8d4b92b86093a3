"""`dcshift verify`: compares source and target at any time; it changes nothing on either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT, print_proofs

if TYPE_CHECKING:
    from migration.model.words import Proof
    from migration.ports import Moves


def register(app: typer.Typer) -> None:
    @app.command()
    def verify(
        systems: Annotated[
            list[str] | None, typer.Argument(help="Systems to compare; all of the plan by default.")
        ] = None,
        rows: Annotated[
            bool, typer.Option(help="After release too, compare rows: writes made since show as differences.")
        ] = False,
        values: Annotated[
            bool, typer.Option(help="Show keys and values of rows that differ: personal data, not for a log.")
        ] = False,
        plan: PlanOption = None,
    ) -> int:
        """Compare source and target now: rows, files, jobs, traffic."""
        from migration.adapters.clock import this_process
        from migration.decisions import past_point_of_no_return
        from migration.leasing import Leasing

        workspace, pinned, chosen = meant(plan, systems)
        journal = workspace.journal()
        state = journal.state(journal.open_run(pinned.plan.id))
        found: dict[str, list[Proof]] = {}
        with Leasing(journal, this_process()) as leasing:
            for name in chosen:
                hold(leasing, name)
                moves = workspace.moves(pinned)(name, leasing.token)
                released = past_point_of_no_return(state, pinned.plan, name)
                OUT.note(f"… comparing {name}: {'the target serves' if released else 'the source serves'}")
                found[name] = _compare(moves, released=released, rows=rows or not released, values=values)
        failed = sum(not proof.passed for proofs in found.values() for proof in proofs)
        document = {
            "plan": pinned.plan.id,
            "failed": failed,
            "systems": {
                name: [
                    {
                        "name": proof.name,
                        "passed": proof.passed,
                        "sentence": proof.sentence,
                        "figures": dict(proof.figures),
                        "differences": list(proof.differences),
                    }
                    for proof in proofs
                ]
                for name, proofs in found.items()
            },
        }

        def people() -> None:
            for name, proofs in found.items():
                print(f"\n{name}")
                print_proofs(proofs)
            print(
                f"\n{failed} of {sum(map(len, found.values()))} proofs failed"
                if failed
                else "\neverything compared is equal"
            )

        OUT.result(document, people)
        return 1 if failed else 0


def _compare(moves: Moves, *, released: bool, rows: bool, values: bool) -> list[Proof]:
    from migration.model.words import Side

    serving = Side.TARGET if released else Side.SOURCE
    kinds: list[tuple[str, Callable[[], Sequence[Proof]]]] = [
        ("files", lambda: moves.files.prove(frozen=released, full=True)),
        ("jobs", lambda: moves.jobs.prove(serving=serving)),
        ("traffic", lambda: moves.traffic.prove(serving=serving)),
    ]
    if rows:
        kinds.insert(0, ("rows", lambda: moves.database.prove(frozen=False, values=values)))
    return [proof for name, ask in kinds for proof in asked(name, ask)]


def asked(name: str, ask: Callable[[], Sequence[Proof]]) -> Sequence[Proof]:
    """Return the proofs; one that could not be made has failed."""
    from migration.errors import MigrationError
    from migration.model.words import Proof

    try:
        return ask()
    except Exception as error:
        # A comparison that could not run is a failure, never a silence and never the end of the other comparisons.
        why = f"{error.what}: {error.why}" if isinstance(error, MigrationError) else f"{type(error).__name__}: {error}"
        return [Proof(name, False, "this comparison could not run", {}, (why,))]


def hold(leasing: object, name: str) -> None:
    """Hold the system, or raise `UsageError` (system-busy)."""
    from migration.errors import UsageError
    from migration.leasing import Leasing
    from migration.model.lease import Busy

    assert isinstance(leasing, Leasing)
    held = leasing.hold([f"system:{name}"])
    if isinstance(held, Busy):
        raise UsageError(
            "system-busy",
            what=f"{name} is being moved right now",
            why=f"it is held by {held.holder}",
            state="nothing was compared; the move goes on",
            next="dcshift status -w   and compare when it is at rest; each step proves itself meanwhile",
        )
