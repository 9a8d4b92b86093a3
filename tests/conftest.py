"""Shared by all rings: credentials of a real centre never reach a test, and a required live ring cannot skip."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab.demo.shell import names_another_centre


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live-required", action="store_true", help="a live test that lacks something fails instead of being skipped"
    )


@pytest.fixture(autouse=True, scope="session")
def _no_credentials_of_a_real_centre() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in tuple(os.environ) if names_another_centre(name)}
    yield
    os.environ.update(kept)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and item.get_closest_marker("live") and item.config.getoption("--live-required"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but the live ring is required: {report.longrepr}"
