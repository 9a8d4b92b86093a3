"""What a stack is told, read once and checked here; components never read configuration themselves."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pulumi

from catalogue.load import Catalogue, load
from catalogue.system import System, mebibytes
from infra import sizes
from infra.errors import InfraError

Layer = Literal["platform", "data", "system"]
Serves = Literal["source", "target"]
CATALOGUE_VARIABLE = "DCSHIFT_CATALOGUE"


class ConfigError(Exception):
    """The stack's configuration cannot be used; the message names the key and what is allowed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One stack's configuration with the catalogue that it is derived from."""

    catalogue: Catalogue
    stack: str
    layer: Layer
    registry: str
    api_server: str
    edge_namespace: str
    operator_namespace: str
    database_instances: int
    postgres_tag: str | None
    data_may_be_destroyed: bool
    system_id: str | None = None
    release: str | None = None
    image: str | None = None
    serves: Serves = "source"
    migrate: bool = False

    @property
    def system(self) -> System:
        """The one system of a system stack."""
        assert self.system_id is not None
        return self.catalogue.system(self.system_id)

    @property
    def deployed_release(self) -> str:
        """The release that runs: the stack's own, else the catalogue's."""
        return self.release or self.system.web.release

    @property
    def object_store(self) -> tuple[str, int]:
        """Host and port of the S3 endpoint."""
        parts = urlsplit(self.catalogue.province.target.object_store)
        return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)


def catalogue_folder() -> Path:
    """Return the province's folder: the one named by the environment, else the example."""
    given = os.environ.get(CATALOGUE_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parents[1] / "catalogue" / "khanh-hoa"


def read(stack: str) -> Settings:
    """Read the configuration of a stack.

    Raises `ConfigError`, `CatalogueError`, `InfraError` (image-of-another-release).
    """
    config, catalogue = pulumi.Config("dcshift"), load(catalogue_folder())
    layer = _layer(config.get("layer") or (stack if stack in ("platform", "data") else "system"))
    system_id = None
    if layer == "system":
        system_id = config.get("system") or stack
        known = [system.id for system in catalogue.systems]
        if system_id not in known:
            raise ConfigError(
                f"stack {stack} is neither platform nor data, and the catalogue has no system {system_id!r}; "
                f"it has {', '.join(known)}. Set dcshift:system, or choose another stack"
            )
    release = config.get("release")
    deployed = None if system_id is None else release or catalogue.system(system_id).web.release
    instances = config.get_int("databaseInstances") or 1
    _check_capacity(catalogue, instances)
    return Settings(
        catalogue=catalogue,
        stack=stack,
        layer=layer,
        registry=config.get("registry") or "dcshift.local",
        api_server=config.get("apiServer") or "192.0.2.10:6443",
        edge_namespace=config.get("edgeNamespace") or "dcshift-edge",
        operator_namespace=config.get("operatorNamespace") or "cnpg-system",
        database_instances=instances,
        postgres_tag=config.get("postgresTag"),
        data_may_be_destroyed=bool(config.get_bool("dataMayBeDestroyed")),
        system_id=system_id,
        release=release,
        image=_digest(config.get("image"), deployed),
        serves=_serves(config.get("serves") or "source"),
        migrate=bool(config.get_bool("migrate")),
    )


def _layer(given: str) -> Layer:
    match given:
        case "platform" | "data" | "system":
            return given
        case _:
            raise ConfigError(f"dcshift:layer is {given!r}; allowed are platform, data and system")


def _serves(given: str) -> Serves:
    match given:
        case "source" | "target":
            return given
        case _:
            raise ConfigError(f"dcshift:serves is {given!r}; allowed are source and target")


def _digest(given: str | None, deployed: str | None) -> str | None:
    """Return the digest of the release that runs; `given` is `RELEASE@DIGEST`, so that neither can change alone."""
    if given is None:
        return None
    release, _, digest = given.rpartition("@")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ConfigError(
            f"dcshift:image is {given!r}; it must be a release and its digest: 8.0.1@sha256: and 64 hexadecimal digits"
        )
    if deployed is not None and release != deployed:
        named = f"belongs to release {release}" if release else "names no release"
        raise InfraError(
            "image-of-another-release",
            what=f"release {deployed} cannot run from this image",
            why=f"dcshift:release is {deployed}, and the digest in dcshift:image {named}: the pods would be what the "
            "contract does not say",
            state="nothing was changed; what was deployed before runs on",
            next=f"dcshift deploy with --release {deployed}, which sets both; or pulumi config rm dcshift:image",
        )
    return digest


def _check_capacity(catalogue: Catalogue, instances: int) -> None:
    """Refuse a catalogue whose systems together ask for more than the target has.

    Requests are counted, not limits: those are what the scheduler reserves.
    """
    capacity = catalogue.province.capacity
    wanted = sizes.Size(0, 0, 0, 0)
    storage = 0
    for system in catalogue.systems:
        wanted = wanted + sizes.app(system) + sizes.data(instances)
        storage += mebibytes(system.database.storage) * instances
    for what, asked, has, unit in (
        ("CPU", wanted.cpu_request, capacity.cpu * 1000, "m"),
        ("memory", wanted.memory_request, mebibytes(capacity.memory), "Mi"),
        ("storage", storage, mebibytes(capacity.storage), "Mi"),
    ):
        if asked > has:
            raise ConfigError(
                f"the systems of the catalogue may reserve {asked}{unit} of {what} and the province's capacity is "
                f"{has}{unit}; lower replicas or storage, or raise capacity in province.yaml"
            )
