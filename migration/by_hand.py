"""What a plan cannot hold and people do by hand: files that go to a volume; it says what they type; pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence

from catalogue import volumes
from catalogue.system import Files, System, mebibytes
from catalogue.target import TargetContract, TargetVolume
from migration.errors import BlockedError
from migration.model.inventory import FilesFacts, Inventory

PAGE = "docs/moving-trees.md"


def refuse_volumes(chosen: Sequence[System], inventory: Inventory, contracts: Mapping[str, TargetContract]) -> None:
    """Raise `BlockedError` (`files-to-a-volume`) with every set of files that no run carries, and how people do."""
    sets = [(system, files) for system in chosen for files in volumes.of(system)]
    if not sets:
        return
    there = {(system.id, each.name): each for system in chosen for each in contracts[system.id].volumes}
    told, typed = [], []
    for system, files in sets:
        facts, volume = inventory.systems[system.id].files[files.name], there.get((system.id, files.name))
        told.append(_sentence(system, files, facts, volume))
        if volume is not None:
            typed.append(_command(system, facts, volume))
    others = [system.id for system in chosen if not volumes.of(system)]
    raise BlockedError(
        "files-to-a-volume",
        what=f"{', '.join(f'{system.id}/{files.name}' for system, files in sets)} would be left behind: "
        "no run carries files into a volume",
        why=". ".join(told),
        state="no plan was made; nothing was changed",
        next="\n         ".join([*_applied(sets, there), *typed, *_without(others)]),
    )


def _sentence(system: System, files: Files, facts: FilesFacts, volume: TargetVolume | None) -> str:
    where = f"{volume.namespace}/{volume.claim}" if volume else "a claim that its contract does not name yet"
    found = (
        f"{system.id}/{files.name}: {facts.host}:{facts.path} ({facts.files:,} files, {facts.size_bytes:,} bytes) goes "
        f"to {where}, which pods open at {volumes.path(system, files)}"
    )
    has = mebibytes(files.storage) * 2**20 if files.storage else 0
    return f"{found}; that is more than its {files.storage} hold" if facts.size_bytes > has else found


def _command(system: System, facts: FilesFacts, volume: TargetVolume) -> str:
    job = {
        "system": system.id,
        "name": volume.name,
        "token": 1,
        "source": facts.path,
        "reach": ["ssh", facts.host],
        "folder": f"/mnt/{volume.claim}",
        "staging": f"/var/lib/dcshift/{volume.claim}",
    }
    return (
        f"as root, where the volume of {volume.namespace}/{volume.claim} is mounted at {job['folder']} ({PAGE}): "
        f"echo {shlex.quote(json.dumps(job, ensure_ascii=False))} | dcshift move files --job -"
    )


def _applied(sets: Sequence[tuple[System, Files]], there: Mapping[tuple[str, str], TargetVolume]) -> Iterable[str]:
    """Yield the command that makes the claims that no contract names."""
    lacking = sorted({system.id for system, files in sets if (system.id, files.name) not in there})
    if lacking:
        yield f"python -m infra.up platform data {' '.join(lacking)}   makes the claims that are not there yet"


def _without(others: Sequence[str]) -> Iterable[str]:
    if others:
        yield f"dcshift plan {' '.join(f'--system {name}' for name in others)}   plans those without a volume"
