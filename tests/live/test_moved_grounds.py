"""A centre of the older layout, one ground for all in `platform`, moves over by the page, and nothing is lost."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.project import Project
from infra import order
from infra.safety import moved_grounds
from lab.api_server import ApiServer
from tests.support.api_server_kinds import server_for_stacks

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
PAGE = Path(__file__).parents[2] / "docs" / "moving-grounds.md"
KINDS = (
    "api/v1/namespaces",
    "api/v1/resourcequotas",
    "api/v1/serviceaccounts",
    "apis/networking.k8s.io/v1/networkpolicies",
    "apis/rbac.authorization.k8s.io/v1/roles",
    "apis/rbac.authorization.k8s.io/v1/rolebindings",
    "apis/gateway.networking.k8s.io/v1/gateways",
    "apis/traefik.io/v1alpha1/middlewares",
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with server_for_stacks(tmp_path_factory.mktemp("moved")) as server:
        yield server


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, api: ApiServer) -> Project:
    """A centre of two systems whose grounds `platform` declared."""
    made = Project(tmp_path_factory.mktemp("project"), 2)
    made.write()
    run(made, api, sys.executable, "-m", "tests.support.older_layout", str(made.folder))
    return made


def run(project: Project, api: ApiServer, *words: str, fails: bool = False) -> str:
    done = subprocess.run(
        words, cwd=project.folder, env=project.environment(api.kubeconfig), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert (done.returncode != 0) is fails, said
    return said


def up(project: Project, api: ApiServer, *stacks: str, fails: bool = False) -> str:
    return run(project, api, sys.executable, "-m", "bench.up", str(project.folder), str(project.settings), *stacks,
               fails=fails)  # fmt: skip


def move(project: Project, api: ApiServer, *systems: str) -> None:
    """Type the page's loop for these systems."""
    (loop,) = re.findall(r"^ +for system in SYSTEM…; do\n(?:.*\n)*? +done\n", PAGE.read_text(encoding="utf-8"), re.M)
    run(project, api, "bash", "-euc", loop.replace("SYSTEM…", " ".join(systems)))


def forget(project: Project, api: ApiServer, system: str) -> None:
    """Type what the page says of a copy."""
    (line,) = re.findall(r"^ +(pulumi stack rm .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    run(project, api, "bash", "-euc", f"system={system}; {line}")


def living(api: ApiServer) -> dict[str, str]:
    """Return what changes of every object whenever it does."""
    return {
        f"{kind} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}": "{uid} {resourceVersion}".format(
            **each["metadata"]
        )
        for kind in KINDS
        for each in api.client.get(f"/{kind}").json()["items"]
    }


def state(project: Project, stack: str) -> dict[str, Any]:
    (file,) = (project.folder / "state").rglob(f"stacks/**/{stack}.json")
    return {"deployment": json.loads(file.read_text())["checkpoint"]["latest"]}


def known(project: Project, stack: str) -> set[str]:
    """Return the objects that a stack's state knows."""
    found = state(project, stack)["deployment"].get("resources") or []
    return {each["urn"].partition("::")[2] for each in found if each["type"].startswith("kubernetes:")}


def left(project: Project) -> list[str]:
    """Return the systems that a refusal would name."""
    return moved_grounds.misplaced(state(project, "platform"))


def test_nothing_is_written_until_the_grounds_are_moved(project: Project, api: ApiServer) -> None:
    before = living(api)
    assert "api/v1/namespaces /httt-s01-data" in before
    assert "error[ground-in-another-stack]" in up(project, api, "platform", fails=True)
    run(project, api, "pulumi", "stack", "select", "platform")
    by_hand = run(project, api, "pulumi", "up", "--yes", "--skip-preview", "--non-interactive", fails=True)
    assert "the state of stack platform holds the ground of s01, s02" in by_hand
    assert living(api) == before


def test_a_move_by_the_page_changes_nothing_and_may_be_cut_off(project: Project, api: ApiServer) -> None:
    before, all_of_it = living(api), known(project, "platform")
    platform_state = next((project.folder / "state").rglob("stacks/**/platform.json"))
    kept = platform_state.with_name("kept")
    shutil.copy(platform_state, kept)
    move(project, api, "s01")
    # Cut off after the one state was written and before the other was: both hold the ground.
    shutil.copy(kept, platform_state)
    kept.unlink()
    assert left(project) == ["s01", "s02"]
    forget(project, api, "s01")
    move(project, api, "s01")
    assert left(project) == ["s02"]
    move(project, api, "s02")
    assert living(api) == before
    grounds = [known(project, order.ground(system)) for system in ("s01", "s02")]
    assert all(len(each) > 35 for each in grounds)
    assert known(project, "platform") | grounds[0] | grounds[1] == all_of_it
    assert not known(project, "platform") & (grounds[0] | grounds[1])


def test_what_was_moved_is_as_declared_and_a_second_up_is_empty(project: Project, api: ApiServer) -> None:
    before, stacks = living(api), ("platform", order.ground("s01"), order.ground("s02"))
    said = up(project, api, *stacks)
    assert not [line for line in said.splitlines() if any(f" {word}" in line for word in ("deleted", "replaced"))]
    for ground in stacks[1:]:
        assert re.search(rf"{ground}: (?:1 created, )?\d+ unchanged, ", said), said
    after = living(api)
    assert {each: after[each] for each in before} == before
    again = up(project, api, *stacks)
    assert not [line for line in again.splitlines() if any(f" {word}" in line for word in ("created", "updated"))]
    assert living(api) == after
