"""Manifests that other projects publish inside their Go modules, kept in the cache; it never changes their text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import yaml

from lab.command import run
from lab.paths import cache
from lab.rootfs import cached

CNPG: Final = ("github.com/cloudnative-pg/cloudnative-pg", "v1.30.0", "releases/cnpg-1.30.0.yaml")
GATEWAY_API: Final = ("sigs.k8s.io/gateway-api", "v1.4.0", "config/crd/standard")


def manifests(source: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Return the objects in a module's file or folder of YAML, fetched by the Go client if the cache lacks it."""
    folder = _cached(*source)
    texts = [path.read_text() for path in sorted(folder.glob("*.yaml"))]
    loaded = [document for text in texts for document in yaml.load_all(text, Loader=yaml.CSafeLoader)]
    return [document for document in loaded if document]


def fetch() -> None:
    """Bring all manifests into the cache, so that the lab needs no network later."""
    for source in (CNPG, GATEWAY_API):
        _cached(*source)


def _cached(module: str, version: str, path: str) -> Path:
    def build(folder: Path) -> None:
        found = json.loads(run(["go", "mod", "download", "-json", f"{module}@{version}"], timeout_seconds=300).stdout)
        source = Path(found["Dir"]) / path
        for file in [source] if source.is_file() else sorted(source.glob("*.yaml")):
            shutil.copyfile(file, folder / file.name)

    name = f"{module.rpartition('/')[2]}-{version}"
    return cached(cache() / "manifests" / name, build)
