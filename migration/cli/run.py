"""`dcshift run` and `rollback`: do it, resume it, take it back; each says what it will do and what it did."""

from __future__ import annotations

import getpass
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from migration.cli.meant import PlanOption, chosen_systems, meant, plan_ids, say_plan
from migration.cli.output import OUT
from migration.cli.session import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration.model.ending import Ending, Wish
    from migration.model.plan import Plan
    from migration.model.words import Stage
    from migration.store import Pinned
    from migration.wiring import Workspace

_ROLLBACK_WAITS_SECONDS = 600.0
_Word = TypeVar("_Word", bound=StrEnum)


def register(app: typer.Typer) -> None:
    @app.command()
    def run(
        until: Annotated[str, typer.Option(help="Last stage: prepare, replicate, cutover or watch.")] = "watch",
        wave: Annotated[int | None, typer.Option(help="Only this wave.")] = None,
        system: Annotated[list[str] | None, typer.Option(help="Only this system; may be repeated.")] = None,
        undo: Annotated[
            str,
            typer.Option(help="What a failure before release undoes: freeze (the source serves, copies stay) or all."),
        ] = "freeze",
        plan: Annotated[
            str | None, typer.Option(help="Beginning of a plan's hash; the newest by default.", autocompletion=plan_ids)
        ] = None,
    ) -> int:
        """Do the plan; resumes what was interrupted; safe to repeat at any time."""
        from migration import store
        from migration.model.ending import Wish
        from migration.model.run import Policy, Want

        last, policy = _stage(until), _choice(Policy, undo, "--undo")
        workspace = SESSION.workspace()
        pinned = store.load(workspace.plans, plan)
        systems = chosen_systems(pinned.plan, wave, system)
        say_plan(pinned, store.newest(workspace.plans))
        wish = Wish(Want.FORWARD, systems, last, policy, getpass.getuser())
        return _serve(workspace, pinned, wish)

    @app.command()
    def rollback(
        systems: Annotated[
            list[str] | None, typer.Argument(help="Systems to take back; all of the plan by default.")
        ] = None,
        plan: PlanOption = None,
    ) -> int:
        """Take systems back to the beginning; nothing is lost; refused after release to the target."""
        from migration.model.ending import Wish
        from migration.model.run import Want

        workspace, pinned, chosen = meant(plan, systems)
        _refuse_after_release(workspace, pinned.plan, chosen, asked_by_name=bool(systems))
        wish = Wish(Want.ROLLBACK, chosen, by=getpass.getuser(), wait_seconds=_ROLLBACK_WAITS_SECONDS)
        return _serve(workspace, pinned, wish)


def _serve(workspace: Workspace, pinned: Pinned, wish: Wish) -> int:
    """Serve the wish, unless something speaks against it; a freeze that is open is brought to its end first."""
    import dataclasses

    from migration.decisions import frozen
    from migration.model.run import Want

    if wish.want is not Want.FORWARD:
        return _go(workspace, pinned, wish)
    journal = workspace.journal()
    state = journal.state(journal.open_run(pinned.plan.id))
    # What the plan was made from may stop a move before its freeze. Inside it citizens wait: whatever has changed, or
    # cannot be asked now, the pinned plan is enough to end it, and the proofs judge whether that is forward or back.
    inside = tuple(name for name in wish.systems if frozen(state, pinned.plan, name))
    try:
        _assert_may_begin(workspace, pinned, [name for name in wish.systems if name not in inside])
    except Exception:
        if not inside:
            raise
        OUT.note(f"· {', '.join(inside)}: an open freeze is brought to its end before anything else is looked at")
        ended = _go(workspace, pinned, dataclasses.replace(wish, systems=inside))
        if ended:
            return ended
        raise
    return _go(workspace, pinned, wish)


def _go(workspace: Workspace, pinned: Pinned, wish: Wish) -> int:
    from migration.adapters.clock import this_process
    from migration.cli.ending import exit_code, say
    from migration.cli.progress import Show
    from migration.engine import Engine

    journal = workspace.journal()
    with Show(workspace.progress, workspace.clock) as show, _signals() as signalled:
        engine = Engine(
            plan=pinned.plan,
            journal=journal,
            clock=workspace.clock,
            holder=this_process(),
            moves=workspace.moves(pinned),
            checks=workspace.step_findings(pinned),
            listener=show,
            signalled=signalled,
        )
        ending: Ending = engine.go(wish)
    say(workspace, pinned.plan, journal, ending, wish)
    return exit_code(ending)


def _assert_may_begin(workspace: Workspace, pinned: Pinned, systems: Sequence[str]) -> None:
    """Raise `BlockedError` when catalogue, source or target are not what the plan was made from.

    What is past its release is not asked: its target has changed because citizens use it.
    """
    from migration import checks
    from migration.cli.ending import blocked
    from migration.cli.standing import said
    from migration.decisions import past_point_of_no_return
    from migration.model.words import Severity

    journal = workspace.journal()
    state = journal.state(journal.open_run(pinned.plan.id))
    begun = [name for name in systems if not past_point_of_no_return(state, pinned.plan, name)]
    findings = workspace.present_findings(pinned, begun) if begun else []
    findings += workspace.other_run_findings(journal, pinned.plan.id, begun)
    # Before the first write. Later a host or a target may well be away for a while: each step knows how to wait for it.
    fresh = [name for name in begun if not checks.has_begun(state, name)]
    findings += workspace.reach_findings(pinned, fresh)
    findings += workspace.readiness_findings(pinned, fresh)
    for found in findings:
        if found.severity is Severity.WARNING:
            OUT.note(f"! {found.where}: {found.what}")
    if checks.blocks(findings):
        where = f"this command changed nothing; {said(workspace, journal, begun)}"
        raise blocked(findings, f"plan {pinned.plan.id[:6]} was not begun", where)


def _refuse_after_release(workspace: Workspace, plan: Plan, systems: Sequence[str], *, asked_by_name: bool) -> None:
    from migration.decisions import past_point_of_no_return, release_is_unsure
    from migration.errors import UsageError

    journal = workspace.journal()
    state = journal.state(journal.open_run(plan.id))
    released = [
        name
        for name in systems
        if past_point_of_no_return(state, plan, name) and not release_is_unsure(state, plan, name)
    ]
    if not released:
        return
    others = [name for name in systems if name not in released]
    raise UsageError(
        "past-point-of-no-return",
        what=f"{', '.join(released)} cannot go back",
        why="requests were released to the target, which has accepted writes that the source does not have",
        state="the target serves, the source is intact as it was at the release; nothing was changed by this command",
        next=f"dcshift rollback {' '.join(others)}"
        if others and not asked_by_name
        else "dcshift verify; docs/limits.md",
    )


def _stage(word: str) -> Stage:
    from migration.errors import UsageError
    from migration.model.words import Stage

    stage = _choice(Stage, word, "--until")
    if stage is Stage.QUIESCE:
        raise UsageError(
            "until-inside-the-freeze",
            what="a run cannot end with quiesce",
            why="citizens' requests would be held with nobody at work",
            state="nothing was changed",
            next="use --until replicate (before the freeze) or --until cutover (after it)",
        )
    return stage


def _choice(kind: type[_Word], word: str, option: str) -> _Word:
    from migration.errors import UsageError

    try:
        return kind(word)
    except ValueError as unknown:
        raise UsageError(
            "choice-unknown",
            what=f"{option} {word!r} is not known",
            why=f"it may be: {', '.join(kind)}",
            state="nothing was changed",
            next="dcshift run --help",
        ) from unknown


@contextmanager
def _signals() -> Iterator[Callable[[], str | None]]:
    """Note SIGINT, SIGTERM and SIGHUP instead of dying of them: the engine stops at the next safe place."""
    came: list[str] = []

    def note(number: int, _frame: object) -> None:
        came.append(signal.Signals(number).name)
        # Written past Python's buffers: a signal may come in the middle of a `print`.
        with suppress(OSError):
            os.write(2, f"\n· {came[-1]} noted: dcshift stops at the next safe place\n".encode())

    noted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under `nohup` a closed terminal means nothing
        noted.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in noted}
    try:
        yield lambda: came[-1] if came else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
