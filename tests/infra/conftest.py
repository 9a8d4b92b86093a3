"""Gives each stack as built once for all tests, and the network of all of them; nothing here may start an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.config import Settings
from infra.reachability.centre import Centre, of
from infra.render.manifests import manifests
from tests.support.declared import GROUNDS, Built, built_once

Stacks = Callable[[str], Built]


@pytest.fixture(scope="session")
def stack() -> Stacks:
    return built_once


@pytest.fixture(scope="session")
def documents(stack: Stacks) -> list[dict[str, Any]]:
    made = [
        *(stack(name) for name in ("platform", *GROUNDS, "data")),
        *(built_once(system, {"migrate": "true"}) for system in ("portal", "feedback")),
    ]
    return [manifest.document for each in made for manifest in manifests(each)]


@pytest.fixture(scope="session")
def settings(stack: Stacks) -> Settings:
    found = stack("platform").settings
    assert found
    return found


@pytest.fixture(scope="session")
def centre(documents: list[dict[str, Any]], settings: Settings) -> Centre:
    return of(documents, settings)
