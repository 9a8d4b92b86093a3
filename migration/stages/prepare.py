"""Prepare: everything the move needs is put in place and tried, long before the night; citizens notice nothing."""

from __future__ import annotations

from collections.abc import Mapping

from migration.model.words import Component, Facts, Side
from migration.stages.step import Handler, Turn, wait_until

_TARGET_READY_SECONDS = 180.0


def _wait_for_target(turn: Turn) -> Facts:
    answer = wait_until(
        turn.clock, turn.moves.web.target_ready, what="the target's web service", limit_seconds=_TARGET_READY_SECONDS
    )
    return {"evidence": answer.sentence}


HANDLERS: Mapping[Component, Handler] = {
    Component.TRAFFIC: Handler(
        do=lambda turn: turn.moves.traffic.install_gate(),
        probe=lambda moves: moves.traffic.gate_installed(),
        undo=lambda moves: moves.traffic.remove_gate(),
        proofs=lambda turn: turn.moves.traffic.prove(serving=Side.SOURCE),
        check=lambda moves: moves.traffic.check(),
    ),
    Component.DATABASE: Handler(
        do=lambda turn: turn.moves.database.prepare(),
        probe=lambda moves: moves.database.prepared(),
        undo=lambda moves: moves.database.unprepare(),
        check=lambda moves: moves.database.check(),
    ),
    Component.FILES: Handler(
        do=lambda turn: turn.moves.files.prepare(),
        probe=lambda moves: moves.files.prepared(),
        undo=lambda moves: moves.files.unprepare(),
        check=lambda moves: moves.files.check(),
    ),
    Component.JOBS: Handler(
        proofs=lambda turn: turn.moves.jobs.prove(serving=Side.SOURCE),
        check=lambda moves: moves.jobs.check(),
    ),
    Component.WEB: Handler(
        do=_wait_for_target,
        probe=lambda moves: moves.web.target_ready(),
        check=lambda moves: moves.web.check(),
    ),
}
