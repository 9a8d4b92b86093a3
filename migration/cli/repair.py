"""`dcshift repair`: makes differing rows of a target what the source has, before the release, after people agreed."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from migration.cli.meant import PlanOption, meant
from migration.cli.output import OUT, plural, print_proofs

if TYPE_CHECKING:
    from migration.model.plan import Plan
    from migration.model.repair import OddRows
    from migration.model.run import RunState

_NAMED_MAX = 5


def register(app: typer.Typer) -> None:
    @app.command()
    def repair(
        system: Annotated[str, typer.Argument(help="The system whose target is repaired.")],
        yes: Annotated[bool, typer.Option("--yes", help="Do it without asking; for a pipeline.")] = False,
        plan: PlanOption = None,
    ) -> int:
        """Make rows that differ what the source has, on the target, while it follows; never at the source."""
        from migration.adapters.clock import this_process
        from migration.cli.verify import asked, hold
        from migration.errors import MigrationError
        from migration.leasing import Leasing
        from migration.model.run import Kind

        workspace, pinned, _ = meant(plan, [system])
        journal = workspace.journal()
        run = journal.open_run(pinned.plan.id)
        with Leasing(journal, this_process()) as leasing:
            hold(leasing, system)
            _assert_before_the_freeze(journal.state(run), pinned.plan, system)
            database = workspace.moves(pinned)(system, leasing.token).database
            OUT.note(f"… comparing {system} row by row")
            odd = database.odd_rows()
            document: dict[str, Any] = {
                "plan": pinned.plan.id,
                "system": system,
                "odd": [_counts(each) for each in odd],
            }
            if not odd:
                OUT.result(
                    {**document, "repaired": None}, lambda: print(f"every row of {system} is equal: none to repair")
                )
                return 0
            _agree(system, odd, yes=yes)

            def record(phase: str, sentence: str) -> None:
                content = {"system": system, "by": getpass.getuser(), "phase": phase, "sentence": sentence}
                journal.append(run, Kind.REPAIR, content=content, lease=leasing.lease)

            record("begun", "; ".join(map(_sentence, odd)))
            try:
                done = database.repair(odd)
            except MigrationError as failure:
                record("broken-off", f"{failure.what}: {failure.why}; {failure.state}")
                raise
            record("ended", done.sentence)
            OUT.note(f"· {done.sentence}; comparing again")
            proofs = asked("rows", lambda: database.prove(frozen=False))
        rows = [proof for proof in proofs if proof.name == "rows"]
        equal = bool(rows) and all(proof.passed for proof in rows)
        document |= {"repaired": {"sentence": done.sentence, "written": done.written, "deleted": done.deleted,
                                  "healed": done.healed, "left": done.left, "appeared": done.appeared},
                     "equal": equal}  # fmt: skip

        def people() -> None:
            print(f"{system}: {done.sentence}")
            print_proofs(rows or proofs)
            print(
                "every row is equal now"
                if equal
                else f"next: dcshift repair {system} looks anew; dcshift verify {system}"
            )

        OUT.result(document, people)
        return 0 if equal else 1


def _assert_before_the_freeze(state: RunState, plan: Plan, system: str) -> None:
    from migration.decisions import frozen, past_point_of_no_return
    from migration.errors import UsageError

    if past_point_of_no_return(state, plan, system):
        raise UsageError(
            "past-point-of-no-return",
            what=f"{system} is not repaired",
            why="requests were released to the target: what differs there may be what citizens wrote since",
            state="the target serves, the source is as it was at the release; nothing was changed by this command",
            next=f"dcshift verify {system} --rows   shows what differs",
        )
    if frozen(state, plan, system):
        raise UsageError(
            "inside-the-freeze",
            what=f"{system} is not repaired now",
            why="a freeze was begun and has not ended: citizens may be waiting",
            state="nothing was changed by this command",
            next="dcshift run ends the freeze, forward or back; repair before the next one",
        )


def _agree(system: str, odd: Sequence[OddRows], *, yes: bool) -> None:
    """Say what would be done and have it agreed to; raises `UsageError` (not-agreed)."""
    from migration.errors import UsageError

    for each in odd:
        OUT.note(f"  {_sentence(each)}")
        keys = sorted(each.keys)
        named = ", ".join(f"{key & (2**64 - 1):016x}" for key in keys[:_NAMED_MAX])
        more = f" and {len(keys) - _NAMED_MAX} more" if len(keys) > _NAMED_MAX else ""
        OUT.note(f"    by the hash of their key: {named}{more}")
    if yes:
        return
    why = "nobody can be asked here"
    if sys.stdin.isatty() and not OUT.json:
        why = "the answer was no"
        if typer.confirm(f"Write this to the target of {system}? The source is only read", default=False, err=True):
            return
    raise UsageError(
        "not-agreed",
        what=f"{system} is not repaired",
        why=why,
        state="nothing was changed",
        next=f"dcshift repair {system} --yes",
    )


def _sentence(odd: OddRows) -> str:
    parts = [
        f"{plural(len(keys), 'row')} {what}"
        for keys, what in (
            (odd.changed, "to be made what the source has"),
            (odd.missing, "to be brought from it"),
            (odd.extra, "to be deleted"),
        )
        if keys
    ]
    return f"table {odd.table}: {', '.join(parts)}"


def _counts(odd: OddRows) -> dict[str, Any]:
    return {"table": odd.table, "changed": len(odd.changed), "missing": len(odd.missing), "extra": len(odd.extra)}
