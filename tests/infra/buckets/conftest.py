"""A private object store for each file of tests, and whoever administers it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.object_store import ObjectStore
from lab.store_server import Store, store_running
from tests.support.buckets import administrator, client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store_running(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def store(server: Store) -> ObjectStore:
    return administrator(server)


@pytest.fixture
def s3(server: Store) -> Any:
    """The store's administrator."""
    return client(server)
