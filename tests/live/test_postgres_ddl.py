"""Definitions that change at the source while its copy follows: named before a freeze, and by what stops at them."""

from __future__ import annotations

import pytest

from migration.adapters.database import PostgresMove
from migration.errors import StepFailed
from migration.model.words import Severity
from tests.support import local_servers as servers
from tests.support.moving import failed

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
Pair = tuple[servers.Server, servers.Server]
ADDED = "ALTER TABLE counted ADD COLUMN later text"


def blockers(move: PostgresMove) -> dict[str, str]:
    return {one.code: one.what for one in move.check() if one.severity is Severity.BLOCKER}


def test_what_the_source_changed_since_the_copy_is_named_and_can_be_followed_again(
    pair: Pair, new_move: PostgresMove
) -> None:
    move = new_move
    move.prepare()
    move.replicate(lambda _: None)
    assert blockers(move) == {}
    with pair[0].admin("portal", "portal") as owner:
        owner.execute(f"{ADDED}; CREATE INDEX late ON event (note); CREATE TABLE made_late (id integer PRIMARY KEY)")
        owner.execute("ALTER TYPE status ADD VALUE 'lost'")
        said, found = "\n".join(failed(move.prove(frozen=False))), blockers(move)
        assert set(found) == {"schema-changed", "table-not-followed"}
        for name in ("column public.counted.later", "index public.late", "relation public.made_late", "public.status"):
            assert name in said, name
        owner.execute("DROP TABLE made_late; DROP INDEX late; UPDATE counted SET later = 'a' WHERE id = 1")
        with pytest.raises(StepFailed) as stopped:
            move.replicate(lambda _: None)
        assert stopped.value.code == "changes-not-applied"
        assert "column public.counted.later: missing on the target" in stopped.value.why
    with pair[1].admin("portal") as admin:
        admin.execute(f"SET ROLE portal; {ADDED}; RESET ROLE")
        admin.execute("ALTER TYPE status ADD VALUE 'lost'")
    move.replicate(lambda _: None)
    assert (blockers(move), failed(move.prove(frozen=False))) == ({}, [])
