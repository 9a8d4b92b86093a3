"""One small database on two private servers, as the migration's own roles see it; for tests of findings and proofs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from migration.adapters.clock import SystemClock
from migration.adapters.postgres import Place
from migration.adapters.postgres import moment as one_moment
from migration.movers import link
from migration.movers.link import Connection
from migration.verification.session import Moment
from tests.support import local_servers as servers

Pair = tuple[servers.Server, servers.Server]
SOURCE_ROLE = "dcshift_portal"


@dataclass
class Sides:
    """Both databases, by the sessions that the migration would have."""

    pair: Pair
    source: Connection
    target: Connection

    def as_admin(self, side: int, *statements: str) -> None:
        """Run statements as the superuser on the source (0) or the target (1)."""
        with self.pair[side].admin("portal") as admin:
            for statement in statements:
                admin.execute(statement.encode())

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        here, there = self.pair
        places = (
            Place(here.endpoint("portal", SOURCE_ROLE), "portal", SOURCE_ROLE),
            Place(there.endpoint("portal", "dcshift_migration"), "portal", "dcshift_migration"),
        )
        with one_moment(*places, SystemClock(), frozen=True) as moment:
            yield moment


@contextmanager
def running() -> Iterator[Pair]:
    """Start both servers and stop them at the end."""
    # Not below pytest's own folder: the servers run as another user, who may not enter that.
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        both = servers.pair(Path(folder))
        try:
            yield both
        finally:
            for server in both:
                server.stop()


@contextmanager
def made(pair: Pair, source: str, target: str = "") -> Iterator[Sides]:
    """Make the portal's database on both sides, filled as told; a target without words of its own is empty."""
    servers.new_databases(*pair, "portal", source)
    pair[0].install("portal", SOURCE_ROLE)
    if target:
        with pair[1].admin("portal") as admin:
            admin.execute(target.encode())
    with (
        link.session(pair[0].endpoint("portal", SOURCE_ROLE), program="test") as here,
        link.session(pair[1].endpoint("portal", "dcshift_migration"), program="test") as there,
    ):
        yield Sides(pair, here, there)
    pair[0].remove("portal", SOURCE_ROLE)
