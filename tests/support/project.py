"""A Pulumi project of a test's own: its own state, passphrase and stack files, the program of this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Said:
    code: int
    text: str


@dataclass(frozen=True)
class Project:
    """One project folder: `Pulumi.yaml` copied, `infra` linked, everything that Pulumi writes inside."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def make(cls, folder: Path, kubeconfig: Path, **environment: str) -> Project:
        (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        (folder / "infra").symlink_to(ROOT / "infra")
        (folder / "state").mkdir()
        (folder / "passphrase").write_text("of this test alone\n")
        return cls(
            folder,
            {
                **os.environ,
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "KUBECONFIG": str(kubeconfig),
                "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
                "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                **environment,
            },
        )

    def run(self, *words: str, stack: str | None = None, check: bool = True, timeout_seconds: float = 600) -> Said:
        where = ["--stack", stack] if stack else []
        finished = subprocess.run(
            [BIN / "pulumi", *words, *where, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        said = Said(finished.returncode, finished.stdout + finished.stderr)
        assert said.code == 0 or not check, said.text
        return said

    def up(self, stack: str, *words: str, check: bool = True) -> Said:
        return self.run("up", "--yes", "--skip-preview", *words, stack=stack, check=check)

    def outputs(self, stack: str) -> Any:
        finished = subprocess.run(
            [BIN / "pulumi", "stack", "output", "--json", "--stack", stack],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )
        return json.loads(finished.stdout)
