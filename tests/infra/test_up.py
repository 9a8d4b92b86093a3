"""`python -m infra.up`: words that mean no stack, and what may not be written, are told before an engine starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.config import CATALOGUE_VARIABLE
from infra.errors import InfraError
from infra.up.__main__ import bring_up
from infra.up.engine import Engine
from infra.up.language import declare
from tests.support.declared import STACKS
from tests.support.own_centre import OWN, province

ROOT = Path(__file__).resolve().parents[2]


def test_a_stack_that_is_none_is_told_with_all_that_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.up", "portal", "potral"],
        cwd=ROOT, env={**os.environ, "PATH": "/nonexistent"}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error[stack-unknown]: there is no stack 'potral'")
    assert "platform, ground.feedback, ground.portal, data, security, feedback, portal" in done.stderr


def test_all_stacks_are_listed_as_they_are_brought_up_and_the_engine_is_not_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.up", "--list"],
        cwd=ROOT, env={**os.environ, "PATH": "/nonexistent"}, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert tuple(done.stdout.splitlines()) == STACKS


def test_one_stack_that_may_not_be_written_keeps_all_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform keeps every rule, and comes first: it is not written either."""
    monkeypatch.setenv(CATALOGUE_VARIABLE, str(province(tmp_path)))
    monkeypatch.setenv("PATH", "/nonexistent")
    settings = tmp_path / "settings"
    settings.mkdir()
    for stack in ("platform", "portal"):
        told = "\n".join(f"  dcshift:{key}: {value}" for key, value in OWN.items())
        (settings / f"Pulumi.{stack}.yaml").write_text(f"config:\n{told}\n")
    said: list[str] = []
    with pytest.raises(InfraError) as refused:
        bring_up(["platform", "portal"], Engine(said.append, tmp_path), settings, declare)
    assert refused.value.code == "rules-broken"
    assert "stack portal: Deployment" in refused.value.why
    assert said == ["2 stacks: judging what they declare"]


def test_an_engine_that_is_missing_is_told_in_four_thoughts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(InfraError, match="`pulumi stack ls --json` failed") as missing:
        Engine(print, tmp_path).create(["platform"])
    assert "No such file" in missing.value.why
