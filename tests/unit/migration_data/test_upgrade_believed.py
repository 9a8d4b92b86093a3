"""A new server is believed by what is ours in its databases, not by their names: an empty one has `postgres`, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migration.errors import StepFailed
from migration.movers import link, upgrade
from migration.movers.link import Connection
from tests.support import two_databases
from tests.support.two_databases import Pair


class Upgraded:
    """A new server, which is one of the pair."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def session(self, database: str) -> AbstractContextManager[Connection]:
        return link.session(self._pair[0].endpoint(database, "postgres"), program="test")


@pytest.fixture(scope="module")
def server(pair: Pair) -> Iterator[Upgraded]:
    with two_databases.made(pair, "SELECT 1"):
        yield Upgraded(pair)


@pytest.mark.parametrize(
    ("database", "why"),
    [
        ("portal", None),
        ("postgres", "postgres of the new server is not the one of the source"),
        ("gone", "the new server lacks gone"),
    ],
)
def test_a_database_counts_as_come_when_what_is_ours_came_with_it(
    database: str, why: str | None, server: Upgraded
) -> None:
    job = cast("Any", SimpleNamespace(databases=[SimpleNamespace(database=database)]))
    source = cast("Any", SimpleNamespace(databases=[SimpleNamespace(name=database), SimpleNamespace(name="template1")]))
    if why is None:
        upgrade.believe(job, source, cast("Any", server))
        return
    with pytest.raises(StepFailed) as told:
        upgrade.believe(job, source, cast("Any", server))
    assert told.value.code == "program-not-believed"
    assert why in told.value.why
