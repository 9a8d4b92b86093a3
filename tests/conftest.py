"""Shared by all rings: credentials of a real centre never reach a test, and a required live ring cannot skip."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from lab.demo.shell import names_another_centre

# How long examples take is the machine's business: no test of ours is about time. And each run tries the same ones:
# what a new one would find is found by whoever looks for it, not by whoever changed something else.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live-required", action="store_true", help="a live test that lacks something fails instead of being skipped"
    )


@pytest.fixture(autouse=True, scope="session")
def _no_credentials_of_a_real_centre() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in tuple(os.environ) if names_another_centre(name)}
    yield
    os.environ.update(kept)


_stays_here = False


def _refuse_the_network(event: str, what: tuple[object, ...]) -> None:
    if not (_stays_here and event == "socket.connect" and isinstance(what[1], tuple)):
        return
    try:
        loopback = ipaddress.ip_address(str(what[1][0])).is_loopback
    except ValueError:
        loopback = what[1][0] == "localhost"
    assert loopback, f"a fast test connects to {what[1]}: only the live ring may leave this machine's loopback"


sys.addaudithook(_refuse_the_network)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    global _stays_here  # noqa: PLW0603 (an audit hook cannot be taken away again)
    _stays_here = request.node.get_closest_marker("live") is None
    yield
    _stays_here = False


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and item.get_closest_marker("live") and item.config.getoption("--live-required"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but the live ring is required: {report.longrepr}"
