"""The templates of a monthly drill run the one command as the identity of drills, and fail when it fails."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.support import pipelines
from tests.support.project import ROOT

FOLDER = ROOT / "docs" / "pipelines"
SECRET = "apiVersion: v1 # the identity drill's\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A `dcshift` that says how it was called, and ends as the file `status` says."""
    (tmp_path / "bin").mkdir()
    made = tmp_path / "bin" / "dcshift"
    made.write_text(
        "#!/bin/sh\n"
        'printf \'{"words": "%s", "kubeconfig": "%s"}\' "$*" "$(cat "$KUBECONFIG")"\n'
        'exit "$(cat "$STATUS")"\n'
    )
    made.chmod(0o755)
    (tmp_path / "status").write_text("0")
    (tmp_path / "given").write_text(SECRET)
    return tmp_path


def line(folder: Path, script: str, environment: Mapping[str, str]) -> int:
    told = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "STATUS": str(folder / "status"), **environment}
    argv = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(argv, env=told, cwd=folder, check=False, capture_output=True, timeout=120).returncode


def on_gitlab(folder: Path) -> list[int]:
    given = {"SYSTEM": "feedback", "KUBECONFIG": str(folder / "given")}
    return [line(folder, *each) for each in pipelines.gitlab("drill", given, file="gitlab-drill.yml")]


def on_github(folder: Path) -> list[int]:
    steps = pipelines.github(
        {}, {"KUBECONFIG": SECRET}, folder, file="github-drill.yml", matrix={"system": "feedback"}
    )  # fmt: skip
    return [line(folder, *each) for each in steps]


@pytest.mark.parametrize("server", [on_gitlab, on_github])
def test_each_drills_the_named_system_and_keeps_what_it_said(server: object, program: Path) -> None:
    assert callable(server)
    assert set(server(program)) == {0}
    said = json.loads((program / "drill.json").read_text())
    assert said == {"words": "drill feedback --json", "kubeconfig": SECRET.strip()}
    for status in ("1", "3"):
        (program / "status").write_text(status)
        assert server(program)[-1] == int(status), "a failed drill must not end in the success of tee"
        assert json.loads((program / "drill.json").read_text())["words"] == "drill feedback --json"


def test_both_name_every_system_of_the_example_and_run_one_at_a_time() -> None:
    systems = {file.stem for file in (ROOT / "catalogue" / "khanh-hoa").glob("*.yaml")} - {"province"}
    lab, hub = (yaml.safe_load((FOLDER / f"{name}-drill.yml").read_text()) for name in ("gitlab", "github"))
    assert lab["drill"]["parallel"]["matrix"] == [{"SYSTEM": lab["drill"]["parallel"]["matrix"][0]["SYSTEM"]}]
    assert set(lab["drill"]["parallel"]["matrix"][0]["SYSTEM"]) == systems
    assert set(hub["jobs"]["drill"]["strategy"]["matrix"]["system"]) == systems
    assert lab["drill"]["resource_group"] == hub["concurrency"]["group"] == "restore-drill"
    strategy = hub["jobs"]["drill"]["strategy"]
    assert (strategy["max-parallel"], strategy["fail-fast"], hub["concurrency"]["cancel-in-progress"]) == (
        1,
        False,
        False,
    )
    assert lab["drill"]["artifacts"]["when"] == "always"
