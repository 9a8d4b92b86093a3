"""Pulumi's command line under a program that stands in for it: what is asked, and what a liar or a laggard gets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infra.deploy import engine
from infra.deploy.engine import Stack
from infra.errors import InfraError

PULUMI = """#!{python}
import json, os, signal, sys, time
with open(os.environ["ASKED"], "a") as asked:
    asked.write(json.dumps(sys.argv[1:]) + "\\n")
{body}
"""


def pulumi(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    program, asked = folder / "pulumi", folder / "asked"
    program.write_text(PULUMI.format(python=sys.executable, body=body))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(asked))
    return asked


def test_a_preview_is_of_the_stack_with_its_rules_and_looks_at_the_live_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = pulumi(tmp_path, monkeypatch, 'print(json.dumps({"steps": []}))')
    assert Stack("portal", "/rules").preview() == {"steps": []}
    line = '["--non-interactive", "preview", "--json", "--refresh", "--policy-pack", "/rules", "--stack", "portal"]\n'
    assert asked.read_text() == line


def test_only_the_projects_own_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"dcshift:release": {"value": "8.0.1"}, "kubernetes:x": {"value": "y"}}
    pulumi(tmp_path, monkeypatch, f"print(json.dumps({values!r}))")
    assert Stack("portal").settings() == {"release": "8.0.1"}


def test_a_success_without_an_answer_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, "sys.exit(0)")
    with pytest.raises(InfraError, match="preview"):
        Stack("portal").preview()


def test_a_failure_says_the_engines_own_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"diagnostics": [{"severity": "info", "message": "a"}, {"severity": "error", "message": "no such class"}]}
    pulumi(tmp_path, monkeypatch, f"print(json.dumps({said!r})); sys.exit(255)")
    with pytest.raises(InfraError) as failed:
        Stack("portal").preview()
    assert failed.value.why == "no such class"


def test_waiting_for_pods_that_cannot_start_is_cut_short_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(engine, "_HOPELESS_SECONDS", 0.2)
    waiting = (
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(255))\nprint('~ deployment', flush=True)\ntime.sleep(30)"
    )
    pulumi(tmp_path, monkeypatch, waiting)
    said: list[str] = []
    with pytest.raises(InfraError) as failed:
        Stack("portal").up(said.append, lambda: "pod web: ImagePullBackOff of x")
    assert failed.value.why == "pod web: ImagePullBackOff of x"
    assert said == ["~ deployment"]


def test_trouble_that_passes_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(engine, "_HOPELESS_SECONDS", 0.2)
    pulumi(tmp_path, monkeypatch, "time.sleep(1)")
    answers = iter([None, "CrashLoopBackOff", "CrashLoopBackOff"])
    Stack("portal").up(lambda text: None, lambda: next(answers, None))
