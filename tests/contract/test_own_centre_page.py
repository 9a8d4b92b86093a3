"""The page for one's own centre names every setting and every variable that the code reads, with type and default."""

from __future__ import annotations

import re
from pathlib import Path

from infra import stack_keys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-centre.md").read_text(encoding="utf-8")
OF_ONE_PROCESS = {"DCSHIFT_JOB"}
"""Handed from one process of ours to the next; nobody sets it."""
VARIABLE = r'"(DCSHIFT_[A-Z0-9_]+|KUBECONFIG|PULUMI_BACKEND_URL|PULUMI_CONFIG_PASSPHRASE)"'


def test_every_setting_is_there_with_its_type_and_its_default() -> None:
    rows = re.findall(r"^\| `dcshift:(\w+)` \| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert {key: kind for key, kind, _ in rows} == {key: of.kind for key, of in stack_keys.KEYS.items()}
    for key, _, told in rows:
        if default := stack_keys.KEYS[key].default:
            assert told == f"`{default}`", key
    code = (ROOT / "infra" / "config.py").read_text(encoding="utf-8")
    for key, value in re.findall(r'^_LAB_(\w+): Final = "([^"]+)"', code, re.MULTILINE):
        assert f"(lab: `{value}`)" in PAGE, key


def test_every_variable_is_there() -> None:
    read = {
        name
        for package in ("infra", "migration")
        for file in (ROOT / package).rglob("*.py")
        for name in re.findall(VARIABLE, file.read_text(encoding="utf-8"))
    }
    told = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", PAGE, re.MULTILINE))
    assert told == read - OF_ONE_PROCESS
