"""Two private servers for the tests of this folder that need real databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import local_servers as servers
from tests.support import two_databases


@pytest.fixture(scope="session")
def pair() -> Iterator[two_databases.Pair]:
    if servers.binaries() is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with two_databases.running() as both:
        yield both
