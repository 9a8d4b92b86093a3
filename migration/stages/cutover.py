"""Cutover: the last changes cross, both sides are compared in full, and then the waiting requests go to the target.

The release of traffic is the point of no return. Until it, every step here has its exact way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migration.errors import NeedsOperator, StepFailed
from migration.model.words import Component, Facts, ProbeState, Proof, Side, Stage
from migration.ports import Moves
from migration.stages.step import Handler, Turn


def _prove_pages(turn: Turn) -> Sequence[Proof]:
    return turn.moves.web.prove_pages(turn.facts[Stage.QUIESCE, Component.WEB])


def _release(turn: Turn) -> Facts:
    """Release only what is still so: between the proofs and this moment anything may have happened at the source.

    What the gate itself must still say (held, and nobody at the source) it is asked in the same breath as the switch.
    """
    alive = turn.moves.web.target_answers()
    if alive.state is not ProbeState.DONE:
        raise StepFailed(
            "target-not-answering",
            what="requests were not released to the target",
            why=f"the target went silent after it was compared: {alive.sentence}",
            state="nobody reached the target; requests go on at the source once the freeze is undone",
            next="look at the target's gateway and pods, then dcshift run",
        )
    rest = turn.moves.database.at_rest()
    if rest.state is not ProbeState.DONE:
        raise StepFailed(
            "source-not-at-rest",
            what="requests were not released to the target",
            why=f"the source is no longer what was compared: {rest.sentence}",
            state="nobody reached the target; requests go on at the source once the freeze is undone",
            next="see who works on the source's database and let them end, then dcshift run",
        )
    return turn.moves.traffic.release_to_target()


def refuse_way_back(moves: Moves) -> None:
    """Refuse once requests were released: the target has accepted writes that the source does not have.

    A release that never happened needs no way back: the held requests go to the source when the hold is undone.

    Here is the place of the way back that keeps new writes: hold, fence the target, let the reverse stream and a
    reverse file pass bring its writes to the source, compare, release to the source. It needs a reverse slot made
    before the release; until that exists, going back would lose what citizens were told is saved.
    """
    answer = moves.traffic.released_to_target()
    if answer.state is ProbeState.NOT_DONE:
        return
    raise NeedsOperator(
        "past-point-of-no-return",
        what="this system was released to the target and cannot go back",
        why=f"{answer.sentence}; the target may have accepted writes that the source does not have",
        state="the target serves; the source is intact as it was at the release; nothing was changed by this command",
        next="dcshift verify   compares both sides; docs/limits.md says what a later way back needs",
    )


HANDLERS: Mapping[Component, Handler] = {
    Component.DATABASE: Handler(
        do=lambda turn: turn.moves.database.hand_over(),
        probe=lambda moves: moves.database.handed_over(),
        undo=lambda moves: moves.database.take_back(),
        proofs=lambda turn: turn.moves.database.prove(frozen=True, seconds_max=turn.hold_seconds_left),
    ),
    Component.FILES: Handler(
        do=lambda turn: turn.moves.files.hand_over(),
        probe=lambda moves: moves.files.handed_over(),
        undo=lambda moves: moves.files.take_back(),
        proofs=lambda turn: turn.moves.files.prove(frozen=True, full=False),
    ),
    Component.WEB: Handler(proofs=_prove_pages),
    Component.TRAFFIC: Handler(
        do=_release,
        probe=lambda moves: moves.traffic.released_to_target(),
        undo=refuse_way_back,
        proofs=lambda turn: turn.moves.traffic.prove(serving=Side.TARGET),
    ),
    Component.JOBS: Handler(
        do=lambda turn: turn.moves.jobs.arm_target(),
        probe=lambda moves: moves.jobs.target_armed(),
        undo=lambda moves: moves.jobs.disarm_target(),
        proofs=lambda turn: turn.moves.jobs.prove(serving=Side.TARGET),
    ),
}
