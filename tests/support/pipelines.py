"""The ready templates as a CI server runs them: their own lines, one after the other, with their variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.clone import Clone
from tests.support.project import ROOT

_FOLDER = ROOT / "docs" / "pipelines"


def gitlab(
    job: str, variables: Mapping[str, str], *, file: str = "gitlab-ci.yml"
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the lines of one job, each with its environment."""
    document = yaml.safe_load((_FOLDER / file).read_text(encoding="utf-8"))
    for line in document[job]["script"]:
        yield line, {**document.get("variables", {}), **variables}


def github(
    inputs: Mapping[str, str],
    secrets: Mapping[str, str],
    folder: Path,
    *,
    file: str = "github-actions.yml",
    matrix: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what each step runs, with its environment; what a step writes into GITHUB_ENV is in the next one's."""
    document = yaml.safe_load((_FOLDER / file).read_text(encoding="utf-8"))
    (job,), written_to = document["jobs"].values(), folder / "github-env"
    written_to.touch()

    def given(environment: Mapping[str, Any]) -> dict[str, str]:
        known = {"inputs": inputs, "secrets": secrets, "matrix": matrix or {}}
        return {
            # A secret that nobody entered is an empty word there.
            name: re.sub(r"\$\{\{ (\w+)\.(\w+) \}\}", lambda word: known[word[1]].get(word[2], ""), str(value))
            for name, value in environment.items()
        }

    for step in job["steps"]:
        written = dict(line.split("=", 1) for line in written_to.read_text().splitlines())
        told = {"RUNNER_TEMP": str(folder), "GITHUB_ENV": str(written_to)}
        yield step["run"], {**given(job["env"]), **told, **written, **given(step.get("env", {}))}


def run(clone: Clone, line: str, environment: Mapping[str, str], cwd: Path) -> tuple[int, str, str]:
    """Run one line as both servers do; return its status, its answer, and what it said meanwhile."""
    done = clone.run(["bash", "-eo", "pipefail", "-c", line], environment, cwd=cwd, seconds_max=600)
    return done.returncode, done.stdout, done.stderr
