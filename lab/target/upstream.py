"""Manifests that other projects publish inside their Go modules, kept in the cache; it never changes their text."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from lab.paths import cache
from lab.rootfs import cached
from lab.toolchain.golang import module_folder
from lab.toolchain.tools import TOOLS


@dataclass(frozen=True, slots=True)
class Published:
    """A file or a folder of YAML in a module that one of our tools depends on; its go.sum vouches for the content."""

    tool: str
    module: str
    path: str


CNPG: Final = Published("cnpg-manager", "github.com/cloudnative-pg/cloudnative-pg", "releases/cnpg-{version}.yaml")
GATEWAY_API: Final = Published("traefik", "sigs.k8s.io/gateway-api", "config/crd/standard")
CERT_MANAGER: Final = Published("cert-manager", "github.com/cert-manager/cert-manager", "deploy/crds")


def manifests(source: Published) -> list[dict[str, Any]]:
    """Return the objects of a source, fetched by the Go client if the cache lacks it."""
    texts = [path.read_text() for path in sorted(_cached(source).glob("*.yaml"))]
    loaded = [document for text in texts for document in yaml.load_all(text, Loader=yaml.CSafeLoader)]
    return [document for document in loaded if document]


def fetch() -> None:
    """Bring all manifests into the cache, so that the lab needs no network later."""
    for source in (CNPG, GATEWAY_API, CERT_MANAGER):
        _cached(source)


def _cached(source: Published) -> Path:
    tool = next(tool for tool in TOOLS if tool.name == source.tool)

    def build(folder: Path) -> None:
        found = module_folder(tool, source.module) / source.path.format(version=tool.version.removeprefix("v"))
        for file in [found] if found.is_file() else sorted(found.glob("*.yaml")):
            shutil.copyfile(file, folder / file.name)

    name = f"{source.module.rpartition('/')[2]}-of-{tool.name}-{tool.version}"
    return cached(cache() / "manifests" / name, build)
