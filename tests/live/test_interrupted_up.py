"""A centre brought up and killed at random moments continues with the same command, and nobody edits a state."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.project import Project
from lab.api_server import ApiServer
from tests.support.api_server_kinds import server_for_stacks
from tests.support.asking import resources_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
KILLS = 20
LINES_MAX = 400
"""Of the engine, which says two for each resource: more than the platform has, so that a try may come past it."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with server_for_stacks(tmp_path_factory.mktemp("interrupted")) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path, 1)
    made.write()
    return made


def started(project: Project, api: ApiServer) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.up", str(project.folder), str(project.settings)],
        env=project.environment(api.kubeconfig),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
    return said


def killed(project: Project, api: ApiServer, lines_max: int, seconds: float) -> str:
    """Kill program and engine at once, so many seconds after so many lines of the engine: slow machines come as far."""
    process = started(project, api)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if len(lines) > lines_max:
            break
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=300)
    return "".join(lines) + rest


def resources(project: Project) -> dict[str, set[str]]:
    """Return the objects that the states know, by stack."""
    found = {}
    for file in (project.folder / "state").rglob("stacks/**/*.json"):
        known = json.loads(file.read_text())["checkpoint"]["latest"].get("resources") or []
        found[file.stem] = {each["urn"] for each in known if each["type"].startswith("kubernetes:")}
    return found


def uids(project: Project, api: ApiServer) -> dict[str, str]:
    """Return what lives in the cluster of all that the states know, and fail for what does not."""
    plural, found = resources_of(api), {}
    for file in (project.folder / "state").rglob("stacks/**/*.json"):
        for each in json.loads(file.read_text())["checkpoint"]["latest"]["resources"]:
            if not each["type"].startswith("kubernetes:") or each["type"].endswith("Patch"):
                continue
            inputs: dict[str, Any] = each["inputs"]
            version, metadata = inputs["apiVersion"], inputs["metadata"]
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            where = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
            answer = api.client.get(f"{root}{where}/{plural[version, inputs['kind']]}/{metadata['name']}")
            assert answer.status_code == 200, (each["urn"], answer.text)
            found[each["urn"]] = answer.json()["metadata"]["uid"]
            assert each["outputs"]["__uid"] == found[each["urn"]], each["urn"]
    return found


def test_an_up_that_was_killed_at_any_moment_continues(project: Project, api: ApiServer) -> None:
    seed = int(os.environ.get("DCSHIFT_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}: again with DCSHIFT_SEED={seed}")
    moments = random.Random(seed)
    # Early moments are as likely as late ones at any scale, and come first: once a late one has come past everything,
    # nothing is left to be cut off.
    moment = sorted((int(LINES_MAX ** moments.random()), moments.uniform(0.0, 0.3)) for _ in range(KILLS))
    cut = [killed(project, api, *each) for each in moment]
    assert sum("creating" in said for said in cut) > KILLS / 4, "the tries were cut off before they made anything"
    assert "its lock was left by an engine that is gone" in "".join(cut)
    said = ended(started(project, api))
    assert "already exists" not in said
    known = resources(project)
    assert set(known) == set(project.stacks)
    living = uids(project, api)
    assert len(living) > 60
    again = ended(started(project, api))
    assert "created" not in again
    assert "updated" not in again
    assert uids(project, api) == living
