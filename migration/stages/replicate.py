"""Replicate: bytes are copied while the source serves, changes follow, both sides are compared; nothing switches."""

from __future__ import annotations

from collections.abc import Mapping

from migration.model.words import Component
from migration.stages.step import Handler

HANDLERS: Mapping[Component, Handler] = {
    Component.DATABASE: Handler(
        do=lambda turn: turn.moves.database.replicate(turn.on_progress),
        probe=lambda moves: moves.database.replicated(),
        undo=lambda moves: moves.database.unreplicate(),
        proofs=lambda turn: turn.moves.database.prove(frozen=False),
    ),
    Component.FILES: Handler(
        do=lambda turn: turn.moves.files.replicate(turn.on_progress),
        probe=lambda moves: moves.files.replicated(),
        undo=lambda moves: moves.files.unreplicate(),
        proofs=lambda turn: turn.moves.files.prove(frozen=False, full=True),
    ),
}
