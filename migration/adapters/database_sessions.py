"""Sessions with both databases of a system, short and under a deadline: in the freeze citizens wait for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from migration.adapters.database_access import Access
from migration.adapters.postgres import PROGRAM
from migration.errors import MigrationError
from migration.model.words import Probe, ProbeState
from migration.movers import link
from migration.movers.link import Connection, Endpoint

# Reading what the slot keeps reads the server's log: citizens do not wait longer than this for it.
_SOURCE_SECONDS_MAX: Final = 5.0


class Sessions:
    """Opens sessions by what `access` knows; whoever does not answer makes a question unknown, never "not done"."""

    def __init__(self, access: Access) -> None:
        self.access = access

    @contextmanager
    def source(self) -> Iterator[Connection]:
        with self._session(self.access.source()) as connection:
            yield connection

    @contextmanager
    def target(self) -> Iterator[Connection]:
        with self._session(self.access.target()) as connection:
            yield connection

    @contextmanager
    def _session(self, endpoint: Endpoint, *, statement_seconds: float = 60.0) -> Iterator[Connection]:
        with link.session(
            endpoint,
            program=PROGRAM,
            statement_seconds=statement_seconds,
            silence_seconds_max=link.HOLD_SILENCE_SECONDS_MAX,
        ) as connection:
            yield connection

    def take_turn(self, source: Connection) -> int:
        """Take the turn at the source, which refuses a token older than the newest; return the token."""
        token = self.access.context.token()
        link.rows(source, "SELECT dcshift.take_turn(%s)", (token,))
        return token

    def ask(self, question: Callable[[Connection, Connection], Probe]) -> Probe:
        """Ask about both sides."""
        try:
            with self.source() as source, self.target() as target:
                return question(source, target)
        except (psycopg.Error, MigrationError) as failure:
            return Probe(ProbeState.UNKNOWN, f"a side did not answer: {str(failure).strip()[:300]}")

    def ask_source(self, question: Callable[[Connection], Probe]) -> Probe:
        """Ask the source alone, which must be possible while the target is dead and citizens wait."""
        try:
            with self._session(self.access.source(), statement_seconds=_SOURCE_SECONDS_MAX) as source:
                return question(source)
        except (psycopg.Error, MigrationError) as failure:
            return Probe(ProbeState.UNKNOWN, f"the source did not answer: {str(failure).strip()[:300]}")
