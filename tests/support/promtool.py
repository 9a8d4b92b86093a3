"""Prometheus' and Alertmanager's own judges over the files that the example province declares for them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lab.monitoring import checker
from tests.support.declared import built_once

Document = dict[str, Any]
_TOLD = {"alertWebhook": "http://192.0.2.20:8080/alerts", "stateMetricsNamespace": "kube-system"}
"""So that everything is measured which may be."""


def write_files(folder: Path) -> Path:
    """Write what both programs read into one folder, and return it."""
    for declared in built_once("platform", _TOLD).of("ConfigMap"):
        for name, text in declared.inputs["data"].items():
            (folder / name).write_text(text.replace("/etc/prometheus/", f"{folder}/"), encoding="utf-8")
    return folder


def judged(*words: str) -> tuple[int, str]:
    """Run a judge; return its status and what it said."""
    argv = [*checker(words[0]), *words[1:]]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def play(files: Path, folder: Path, tests: list[Document], *, rules: Sequence[str], every: str = "1m") -> None:
    """Let promtool play series in time against the declared rules; fails with what it found otherwise."""
    document = {
        "rule_files": [str(files / name) for name in rules],
        "evaluation_interval": every,
        "group_eval_order": ["catalogue", "requests", "ratios", *(["alerts"] if "alerts.yml" in rules else [])],
        "tests": tests,
    }
    (folder / "test.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    status, said = judged("promtool", "test", "rules", str(folder / "test.yml"))
    assert status == 0, said


def as_series(series: dict[str, str]) -> list[Document]:
    """Return series and their values as promtool reads them."""
    return [{"series": name, "values": values} for name, values in series.items()]
