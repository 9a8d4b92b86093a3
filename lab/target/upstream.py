"""Manifests that other projects publish inside their Go modules, kept in the cache; it never changes their text."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from lab.errors import LabError
from lab.paths import cache
from lab.rootfs import cached
from lab.toolchain.golang import module_folder
from lab.toolchain.tools import TOOLS


@dataclass(frozen=True, slots=True)
class Published:
    """Files of YAML in a module that one of our tools depends on; its go.sum vouches for the content."""

    tool: str
    module: str
    paths: str
    """A pattern, below the module's folder."""


CNPG: Final = Published("cnpg-manager", "github.com/cloudnative-pg/cloudnative-pg", "releases/cnpg-{version}.yaml")
GATEWAY_API: Final = Published("traefik", "sigs.k8s.io/gateway-api", "config/crd/standard/*.yaml")
TRAEFIK: Final = Published(
    "traefik", "github.com/traefik/traefik/v3", "docs/content/reference/dynamic-configuration/traefik.io_*.yaml"
)
"""Its own kinds. One of them is used, but its provider waits for all ten, and serves nothing until it has them."""
CERT_MANAGER: Final = Published("cert-manager", "github.com/cert-manager/cert-manager", "deploy/crds/*.yaml")


def manifests(source: Published) -> list[dict[str, Any]]:
    """Return the objects of a source, fetched by the Go client if the cache lacks it."""
    texts = [path.read_text() for path in sorted(_cached(source).glob("*.yaml"))]
    loaded = [document for text in texts for document in yaml.load_all(text, Loader=yaml.CSafeLoader)]
    return [document for document in loaded if document]


def fetch() -> None:
    """Bring all manifests into the cache, so that the lab needs no network later."""
    for source in (CNPG, GATEWAY_API, TRAEFIK, CERT_MANAGER):
        _cached(source)


def _cached(source: Published) -> Path:
    tool = next(tool for tool in TOOLS if tool.name == source.tool)

    def build(folder: Path) -> None:
        pattern = source.paths.format(version=tool.version.removeprefix("v"))
        found = sorted(module_folder(tool, source.module).glob(pattern))
        if not found:
            raise LabError(
                "manifests-elsewhere",
                what=f"the manifests of {source.module} {tool.version} are not where they were",
                why=f"its module has no {pattern}",
                state="the cache is unchanged",
                next="find them in the module, and name them in lab/target/upstream.py",
            )
        for file in found:
            shutil.copyfile(file, folder / file.name)

    name = f"{source.module.rpartition('/')[2]}-of-{tool.name}-{tool.version}"
    return cached(cache() / "manifests" / name, build)
