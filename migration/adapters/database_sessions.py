"""Sessions with both databases of a system, short and under a deadline: in the freeze citizens wait for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from migration.adapters.database_access import Access
from migration.adapters.postgres import PROGRAM
from migration.errors import MigrationError, StepFailed
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
        with self._session("source", self.access.source) as connection:
            yield connection

    @contextmanager
    def target(self) -> Iterator[Connection]:
        with self._session("target", self.access.target) as connection:
            yield connection

    @contextmanager
    def _session(
        self, side: str, endpoint: Callable[[], Endpoint], *, statement_seconds: float = 60.0
    ) -> Iterator[Connection]:
        try:
            connection = link.connect(
                endpoint(),
                program=PROGRAM,
                statement_seconds=statement_seconds,
                silence_seconds_max=link.HOLD_SILENCE_SECONDS_MAX,
            )
        except psycopg.OperationalError as refused:
            raise _not_reached(side, self.access.name, refused) from refused
        try:
            yield connection
        finally:
            connection.close()

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
            return Probe(ProbeState.UNKNOWN, f"a side did not answer: {_why(failure)}")

    def ask_source(self, question: Callable[[Connection], Probe]) -> Probe:
        """Ask the source alone, which must be possible while the target is dead and citizens wait."""
        try:
            with self._session("source", self.access.source, statement_seconds=_SOURCE_SECONDS_MAX) as source:
                return question(source)
        except (psycopg.Error, MigrationError) as failure:
            return Probe(ProbeState.UNKNOWN, f"the source did not answer: {_why(failure)}")


def _why(failure: psycopg.Error | MigrationError) -> str:
    return (failure.why if isinstance(failure, MigrationError) else str(failure)).strip()[:300]


def _not_reached(side: str, role: str, refused: psycopg.OperationalError) -> StepFailed:
    login = f"the login of {role}" if side == "source" else "the migration's login"
    return StepFailed(
        "database-not-reached",
        what=f"the {side}'s database lets nobody of ours in",
        why=str(refused).strip(),
        state="nothing was changed by this session",
        next=f"see that its server answers and that {login} is allowed, in time and with the password that its secret "
        "holds, then dcshift run",
    )
