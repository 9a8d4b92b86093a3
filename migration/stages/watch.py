"""Watch: the source is put to rest, contents are compared once more, late comers are counted; nothing goes back."""

from __future__ import annotations

from collections.abc import Mapping

from migration.model.words import Component, Side
from migration.stages.step import Handler

# Nothing here has a way back of its own: these steps come after the point of no return, and the way back that keeps new
# writes (see cutover.refuse_way_back) will begin by starting the source service again.
HANDLERS: Mapping[Component, Handler] = {
    Component.WEB: Handler(
        do=lambda turn: turn.moves.web.stop_source(),
        probe=lambda moves: moves.web.source_stopped(),
        undo=lambda moves: moves.web.start_source(),
    ),
    Component.JOBS: Handler(proofs=lambda turn: turn.moves.jobs.prove(serving=Side.TARGET)),
    Component.DATABASE: Handler(
        do=lambda turn: turn.moves.database.retire_stream(),
        probe=lambda moves: moves.database.stream_retired(),
    ),
    # The source is frozen; what citizens wrote on the target since the release is no difference.
    Component.FILES: Handler(proofs=lambda turn: turn.moves.files.prove(frozen=True, full=True)),
    Component.TRAFFIC: Handler(proofs=lambda turn: turn.moves.traffic.prove(serving=Side.TARGET)),
}
