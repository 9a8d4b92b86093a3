"""Stacks brought up by the real engine, each time by somebody else: one process for many of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.api_server import ApiServer
from tests.support.project import ROOT, Project


@dataclass(frozen=True)
class Ended:
    """What one `up` did: how many resources were `created`, `updated`, …; `error` is empty where it came to its end."""

    changes: dict[str, int]
    error: str


@dataclass(frozen=True)
class Ups:
    """A project whose catalogue is the example's, and the process that brings its stacks up."""

    folder: Path
    process: subprocess.Popen[str]

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue"

    def settings(self, stack: str) -> Path:
        return self.folder / "build" / "pulumi" / "config" / f"Pulumi.{stack}.yaml"

    def up(
        self, stack: str, kubeconfig: Path, *words: str, more: dict[str, Any] | None = None, patches: bool = True
    ) -> Ended:
        """Bring a stack up with a kubeconfig.

        `more` is one object more than the program declares: fields of another's if it `patches`, else one of its own.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"stack": stack, "kubeconfig": str(kubeconfig), "words": words, "more": more, "patches": patches}
        self.process.stdin.write(f"{json.dumps(order)}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            # The engine's own threads may say something in between.
            if line.startswith('{"changes"'):
                answer = json.loads(line)
                counts = re.findall(r"(\d+) (\w+)", answer["changes"])
                return Ended({what: int(count) for count, what in counts}, answer["error"])
        raise AssertionError(f"the process that brings stacks up ended with {self.process.wait()}")


@contextmanager
def ups(folder: Path, kubeconfig: Path) -> Iterator[Ups]:
    """Run such a process for as long as the block."""
    shutil.copytree(ROOT / "catalogue" / "khanh-hoa", folder / "catalogue")
    project = Project.make(folder, kubeconfig, DCSHIFT_CATALOGUE=str(folder / "catalogue"))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.ups_program", str(folder)],
        cwd=ROOT, env=project.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Ups(folder, process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def kubeconfig_of(api: ApiServer, user: str, token: str, folder: Path) -> Path:
    """Write a kubeconfig of one who has this token and nothing else."""
    document = json.loads(api.kubeconfig.read_text())
    document["users"][0]["user"] = {"token": token}
    file = folder / f"{user}.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(json.dumps(document))
    return file
