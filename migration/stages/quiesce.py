"""Quiesce: the source comes to rest: jobs disarmed, requests held, writers fenced out; stopped, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migration.model.words import Component, Finding
from migration.ports import Moves
from migration.stages.step import Handler


def _check_before_the_freeze(moves: Moves) -> Sequence[Finding]:
    # Everything that could have changed since prepare is asked once more here, while nobody waits yet.
    return [*moves.database.check(), *moves.files.check(), *moves.web.check(), *moves.traffic.check()]


HANDLERS: Mapping[Component, Handler] = {
    Component.FILES: Handler(
        do=lambda turn: turn.moves.files.converge(),
        check=_check_before_the_freeze,
    ),
    Component.JOBS: Handler(
        do=lambda turn: turn.moves.jobs.disarm_source(),
        probe=lambda moves: moves.jobs.source_disarmed(),
        undo=lambda moves: moves.jobs.rearm_source(),
        undo_is_seen=True,
        proofs=lambda turn: turn.moves.jobs.prove(serving=None),
        check=lambda moves: moves.jobs.check(),
    ),
    Component.TRAFFIC: Handler(
        do=lambda turn: turn.moves.traffic.hold(),
        probe=lambda moves: moves.traffic.held(),
        undo=lambda moves: moves.traffic.release_to_source(),
        undo_is_seen=True,
    ),
    Component.WEB: Handler(
        do=lambda turn: turn.moves.web.capture_pages(),
    ),
    Component.DATABASE: Handler(
        do=lambda turn: turn.moves.database.fence(),
        probe=lambda moves: moves.database.fenced(),
        undo=lambda moves: moves.database.unfence(),
        undo_is_seen=True,
    ),
}
