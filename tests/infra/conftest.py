"""Gives each stack as built once for all tests; nothing here may start an engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.declared import Built, built_once

Stacks = Callable[[str], Built]


@pytest.fixture(scope="session")
def stack() -> Stacks:
    return built_once
