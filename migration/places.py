"""Where everything of one move lies, as the environment names it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from migration.errors import UsageError

CHECKOUT = Path(__file__).resolve().parents[1]
_LAB = CHECKOUT / "build" / "lab"
_LAB_MARK = ".of-the-lab"
"""What the lab writes into folders of records that go with it when it is taken down."""


@dataclass(frozen=True)
class Places:
    """The files and folders of one move."""

    catalogue_folder: Path
    inventory_file: Path
    """Ansible's inventory: how source hosts are reached."""
    kubeconfig: Path
    state: Path
    ca_file: Path | None

    @classmethod
    def from_environment(cls) -> Self:
        """Return the places that the environment names; in a checkout the lab's by default.

        Raises `UsageError` when another centre than the lab is meant and the records here are the lab's.
        """
        given = os.environ.get
        inventory = Path(given("DCSHIFT_INVENTORY") or _LAB / "inventory.yml")
        beside = inventory.parent / "ca" / "ca.pem"
        ca = given("DCSHIFT_CA")
        places = cls(
            catalogue_folder=Path(given("DCSHIFT_CATALOGUE") or CHECKOUT / "catalogue" / "khanh-hoa"),
            inventory_file=inventory,
            # KUBECONFIG may be a list for kubectl; the first file is the one meant.
            kubeconfig=Path((given("KUBECONFIG") or "").split(os.pathsep)[0] or _LAB / "target" / "kubeconfig"),
            state=Path(given("DCSHIFT_STATE") or CHECKOUT / "build" / "state"),
            ca_file=Path(ca) if ca else (beside if beside.is_file() else None),
        )
        places.assert_records_of_this_centre(places.state)
        return places

    def assert_records_of_this_centre(self, folder: Path) -> None:
        """Raise `UsageError` when a folder of records is the lab's, which removes it, and we mean another centre."""
        if _is(self.inventory_file, _LAB / "inventory.yml") and _leads_to_the_lab(self.kubeconfig):
            return
        if (folder / _LAB_MARK).exists():
            raise UsageError(
                "records-of-the-lab",
                what=f"{folder} is not used for this centre",
                why="it holds the records of a move in the lab and is removed with it, while KUBECONFIG or "
                "DCSHIFT_INVENTORY name another centre",
                state="nothing was changed",
                next="make lab-down, or use a checkout of its own for each centre",
            )

    @property
    def plans(self) -> Path:
        return self.state / "plans"

    @property
    def observed(self) -> Path:
        return self.state / "inventory.json"

    @property
    def progress(self) -> Path:
        return self.state / "progress.json"

    def private(self, folder: Path) -> Path:
        """Return a folder that only we may enter, made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        return folder


def _is(path: Path, other: Path) -> bool:
    return path.resolve() == other.resolve()


def _leads_to_the_lab(kubeconfig: Path) -> bool:
    """Return whether a kubeconfig is the lab's, or one that `dcshift identity` wrote from it for somebody else."""
    theirs = _LAB / "target" / "kubeconfig"
    known = _clusters(theirs)
    return _is(kubeconfig, theirs) or (known != [] and _clusters(kubeconfig) == known)


def _clusters(kubeconfig: Path) -> list[tuple[object, object]]:
    """Return address and authority of every cluster that a file names; none where it cannot be read."""
    try:
        named = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["clusters"]
        return [(each["cluster"]["server"], each["cluster"]["certificate-authority-data"]) for each in named]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return []
