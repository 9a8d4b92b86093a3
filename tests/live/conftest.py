"""The lab that the refusals, the whole move and what follows it share: it is brought up once, in this order."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.play import Play, Stage

_ON_ONE_LAB = ("test_refusals.py", "test_move.py", "test_moved.py")
"""Modules that are played on one lab, in this order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Play the modules that share a lab one right after the other, where the first of them stands."""
    shared = [item for name in _ON_ONE_LAB for item in items if item.path.name == name]
    if not shared:
        return
    place = min(items.index(item) for item in shared)
    others = [item for item in items if item not in shared]
    items[:] = [*others[:place], *shared, *others[place:]]


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    standing = Stage()
    try:
        yield standing
    finally:
        standing.close()


@pytest.fixture(scope="module")
def play(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Play]:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, mounts and a kubelet")
    here = request.path.name
    later = _ON_ONE_LAB[_ON_ONE_LAB.index(here) + 1 :]
    whole = stage.take()
    try:
        yield whole
    except BaseException:
        whole.broken = True
        raise
    finally:
        stage.leave(whole, wanted=any(item.path.name in later for item in request.session.items))


@pytest.fixture
def act(request: pytest.FixtureRequest, play: Play) -> Iterator[None]:
    """Be an act of the play: one that fails ends it."""
    assert not play.broken, "an earlier act of this play failed"
    before = request.session.testsfailed
    yield
    play.broken = request.session.testsfailed > before
