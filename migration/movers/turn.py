"""Asks the source while a mover works whether its turn still holds; when it does not, the mover's work is ended."""

from __future__ import annotations

from typing import Final

import psycopg

from migration.errors import StepFailed
from migration.movers import link
from migration.movers.beside import Beside
from migration.movers.job import PostgresJob
from migration.movers.programs import Brake

_EVERY_SECONDS: Final = 2.0
_OVER: Final = "55006"  # how dcshift.take_turn refuses


class TurnWatch(Beside):
    """Runs beside the work. Whoever took a later turn may be at work on the same target: we stop, whatever it costs."""

    def __init__(self, job: PostgresJob, brake: Brake, *, every_seconds: float = _EVERY_SECONDS) -> None:
        super().__init__()
        self._job, self._brake, self._every = job, brake, every_seconds

    def _run(self) -> None:
        try:
            with link.session(self._job.source, program=self._job.program, statement_seconds=30.0) as source:
                while not self._stop.wait(self._every):
                    link.rows(source, "SELECT dcshift.take_turn(%s)", (self._job.token,))
        except Exception as unanswered:  # a turn that cannot be asked for is none
            self._brake.pull(_over(self._job, unanswered))


def _over(job: PostgresJob, failure: Exception) -> BaseException:
    if not isinstance(failure, psycopg.Error) or failure.sqlstate != _OVER:
        return failure
    return StepFailed(
        "mover-turn-over",
        what=f"the copy of {job.system} was stopped in its middle",
        why=failure.diag.message_primary or str(failure),
        state="the source was only read; all that this mover had at work on the target is ended",
        next="let the orchestrator that holds the later turn go on",
    )
