"""Asks the target while a mover works whether it still answers; when it does not, the mover's work is ended.

A program that writes to a server which is gone waits for its kernel, a quarter of an hour or two hours.
"""

from __future__ import annotations

import time
from typing import Final

import psycopg

from migration.movers import link
from migration.movers.beside import Beside
from migration.movers.job import PostgresJob
from migration.movers.programs import Brake

_EVERY_SECONDS: Final = 2.0


class AnswerWatch(Beside):
    """Runs beside the work. That the source answers is seen by whoever asks it for our turn."""

    def __init__(self, job: PostgresJob, brake: Brake, *, every_seconds: float = _EVERY_SECONDS) -> None:
        super().__init__()
        self._job, self._brake, self._every = job, brake, every_seconds

    def _run(self) -> None:
        answered = time.monotonic()
        while not self._stop.is_set():
            try:
                with link.session(self._job.target, program=self._job.program, statement_seconds=30.0) as target:
                    while not self._stop.wait(self._every):
                        link.rows(target, "SELECT 1")
                        answered = time.monotonic()
            except psycopg.Error as unanswered:
                # Only this session may have been ended: the others say so themselves when they are.
                if time.monotonic() - answered >= link.SILENCE_SECONDS_MAX:
                    self._brake.pull(unanswered)
                    return
                self._stop.wait(1.0)
