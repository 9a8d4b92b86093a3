"""Bytes that no text of the database's encoding has: the copy ends at them and names the row's place, and goes on."""

from __future__ import annotations

import pytest

from migration.adapters.database import PostgresMove
from migration.errors import StepFailed
from migration.model.words import ProbeState
from tests.support import local_servers as servers
from tests.support.moving import failed

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(servers.binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
# No server lets them in; a cast that a superuser made does, and so does a broken file.
CAST = "CREATE CAST (bytea AS text) WITHOUT FUNCTION"


def test_bytes_that_are_no_text_end_the_copy_by_their_place_and_nothing_is_believed(
    pair: tuple[servers.Server, servers.Server], new_move: PostgresMove
) -> None:
    new_move.prepare()
    with pair[0].admin("portal") as admin:
        admin.execute("CREATE TABLE torn (id integer PRIMARY KEY, word text)")
        admin.execute("ALTER TABLE torn OWNER TO portal")
        admin.execute(CAST)
        admin.execute(r"INSERT INTO torn VALUES (1, 'một'), (2, '\x6dc3'::bytea::text), (3, 'ba')")
        admin.execute("DROP CAST (bytea AS text)")
    with pytest.raises(StepFailed) as told:
        new_move.replicate(lambda _: None)
    assert 'invalid byte sequence for encoding "UTF8": 0xc3' in told.value.why
    assert "COPY torn, line 2, column word" in told.value.why
    assert new_move.replicated().state is not ProbeState.DONE
    with pair[0].admin("portal") as admin:
        admin.execute("UPDATE torn SET word = 'hai' WHERE id = 2")
    new_move.replicate(lambda _: None)
    assert failed(new_move.prove(frozen=False)) == []
