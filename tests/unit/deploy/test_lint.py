"""What a deployment says of the catalogue before anything is asked: every fault, also one of today, ends it there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.commands import run
from tests.support.declared import CATALOGUE

IMAGE = f"--image=sha256:{'1' * 64}"


def test_a_decision_that_has_ended_stops_a_deployment_with_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    shutil.copytree(CATALOGUE, folder)
    for name, old, new in (
        ("feedback.yaml", "expires: 2028-03-01", "expires: 2026-03-02"),
        ("province.yaml", "memory: 16Gi", "memory: 1Gi"),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    done = run("--json", "deploy", "portal", "--release=8.0.1", IMAGE, catalogue=folder)
    assert done.returncode == 2
    fault = json.loads(done.stderr.splitlines()[-1])["error"]
    assert fault["code"] == "catalogue-faulty"
    assert f"{folder}/feedback.yaml:" in fault["why"]
    assert f"{folder}/province.yaml:" in fault["why"]
    assert "settings:" not in done.stderr


def test_warnings_are_said_and_stop_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    shutil.copytree(CATALOGUE, folder)
    portal = folder / "portal.yaml"
    text = portal.read_text(encoding="utf-8").replace("exposure: internet", "exposure: internal")
    portal.write_text(text, encoding="utf-8")
    done = run("deploy", "portal", "--release=", catalogue=folder)
    assert done.returncode == 2
    assert "error[deployment-unnamed]" in done.stderr
    assert "  catalogue: no fault, 1 warnings" in done.stderr
    assert f"  catalogue: {folder / 'province.yaml'}:" in done.stderr
