"""Builds each stack once for all tests of this folder; nothing here may start an engine."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from tests.support.declared import Built, build

Stacks = Callable[[str], Built]


@pytest.fixture(scope="session")
def stack() -> Stacks:
    return functools.cache(build)
