"""A Pulumi project in a folder of its own: the program of this checkout, its own state, settings and cluster."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from bench import province
from catalogue.load import load
from infra import order
from lab.demo.shell import names_another_centre

_ROOT: Final = Path(__file__).resolve().parents[1]
NAMESPACES: Final = ("dcshift-edge", "cnpg-system", "cert-manager")
"""What must be in a cluster before the stacks (docs/own-centre.md)."""


@dataclass(frozen=True, slots=True)
class Project:
    """Everything that a province of one size writes, below one folder."""

    folder: Path
    systems: int

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue"

    @property
    def settings(self) -> Path:
        return self.folder / "build" / "pulumi" / "config"

    @property
    def stacks(self) -> list[str]:
        return order.every(load(self.catalogue))

    def write(self) -> None:
        """Write the catalogue, and the settings as `pulumi config set` would."""
        province.write(self.catalogue, self.systems)
        self.settings.mkdir(parents=True)
        (self.folder / "state").mkdir()
        (self.folder / "Pulumi.yaml").write_text((_ROOT / "Pulumi.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        (self.folder / "infra").symlink_to(_ROOT / "infra")
        for stack in self.stacks:
            told = {f"dcshift:{key}": value for key, value in province.settings(stack, self.catalogue).items()}
            file = self.settings / f"Pulumi.{stack}.yaml"
            file.write_text(yaml.safe_dump({"config": told}), encoding="utf-8")

    def environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        """Return what `dcshift env` gives an operator, for this project."""
        kept = {name: value for name, value in os.environ.items() if not names_another_centre(name)}
        # A machine where Python may not keep what it compiled would compile the whole SDK at each start.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(_ROOT),
            "DCSHIFT_CATALOGUE": str(self.catalogue),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
        }
