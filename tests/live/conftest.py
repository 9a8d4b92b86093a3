"""What the live tests share: which of them need the lab, and the one lab on which a whole move is played."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import target
from lab.errors import LabError
from lab.source import centre as source
from lab.store_server import Store, store_running
from lab.toolchain import tool_path
from migration.adapters.database import PostgresMove
from tests.support import lab_centre, moving_objects
from tests.support import local_servers as servers
from tests.support.moving import database_move
from tests.support.play import Play, Stage
from tests.support.project import Project

Pair = tuple[servers.Server, servers.Server]
_HERE = Path(__file__).parent
_ON_ONE_CENTRE = ("test_infra.py", "test_infra_told.py", "test_infra_kept.py")
"""Modules that look at one declared centre, one after the other: the last one takes it apart."""
_OF_THE_LAB = ("test_playbooks.py", "test_source.py", "test_physical_cnpg.py", "test_target.py", *_ON_ONE_CENTRE)
_ON_ONE_LAB = ("test_refusals.py", "test_move.py", "test_moved.py")
"""Modules that are played on one lab, brought up once, in this order."""
_ORDER = (*_OF_THE_LAB, *_ON_ONE_LAB)


_ours: set[str] = set()
"""What this session brought up by itself."""


@pytest.hookimpl(tryfirst=True)  # `-m lab` chooses by the marks that are given here
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the lab, of which a machine has one, and play it last and in order; nothing else needs it."""
    needing = [item for item in items if item.path.parent == _HERE and item.path.name in _ORDER]
    for item in needing:
        item.add_marker(pytest.mark.lab)
    others = [item for item in items if item not in needing]
    items[:] = [*others, *sorted(needing, key=lambda item: _ORDER.index(item.path.name))]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two private PostgreSQL servers, a source and a target."""
    # Not below pytest's own folder: the servers run as another user, who may not enter that.
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        both = servers.pair(Path(folder))
        yield both
        for server in both:
            server.stop()


@pytest.fixture
def new_move(pair: Pair, tmp_path: Path) -> Iterator[PostgresMove]:
    """A portal between both that nobody has begun to move."""
    servers.new_databases(*pair, "portal", servers.SAMPLE)
    made = database_move(*pair, tmp_path)
    yield made
    made._units.stop("portal-database")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A private object store."""
    with (
        tempfile.TemporaryDirectory(prefix="dcshift-store-", ignore_cleanup_errors=True) as folder,
        store_running(Path(folder)) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def other_store() -> Iterator[Store]:
    """A second private object store, for what moves from one to the other."""
    with (
        tempfile.TemporaryDirectory(prefix="dcshift-store-", ignore_cleanup_errors=True) as folder,
        store_running(Path(folder)) as running,
    ):
        yield running


@pytest.fixture
def empty(other_store: Store, store: Store, tmp_path: Path) -> Iterator[moving_objects.Pair]:
    """Two empty buckets; a mover that a failed test left is ended."""
    made = moving_objects.make(other_store, store, tmp_path)
    yield made
    for mover in made.running:
        mover.kill()


@pytest.fixture(scope="session")
def standing_source() -> Iterator[None]:
    """The source alone, up for the modules that need no target; the last test of the last of them takes it down."""
    _needs(free=not _source_runs())
    _ours.add("source")
    source.up(print, scale="tenth")
    yield
    source.down()


@pytest.fixture(scope="session")
def standing_target() -> Iterator[None]:
    """The target alone, in the same way."""
    _needs(free=target.status().absent)
    _ours.add("target")
    target.up(print)
    yield
    target.down(print)


@pytest.fixture(scope="session")
def centre(standing_target: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The whole data centre, declared once for the modules that look at it."""
    return lab_centre.declared(tmp_path_factory.mktemp("project"))


def _source_runs() -> bool:
    return any(host.processes for host in source.status())


def _needs(*, free: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, mounts and a kubelet")
    if not free:
        pytest.skip("this machine's lab is in use: make lab-down")
    try:
        for name in ("pulumi", "pulumi-language-python", "kube-apiserver", "traefik", "cnpg-manager", "cert-manager"):
            tool_path(name)
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    standing = Stage()
    try:
        yield standing
    finally:
        standing.close()


@pytest.fixture(scope="module")
def play(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Play]:
    if not stage.stands:
        # What our own modules left standing because a test of theirs failed is no lab of somebody's.
        if "source" in _ours:
            source.down()
        if "target" in _ours:
            target.down(print)
        _needs(free=target.status().absent and not _source_runs())
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
