"""What a stack is told, read once and checked here; components never read configuration themselves."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import pulumi

from catalogue.controls import Controls
from catalogue.load import Catalogue, load
from catalogue.system import Exposure, System, mebibytes
from infra import sizes, values
from infra.errors import ConfigError, InfraError

Layer = Literal["platform", "data", "security", "system"]
_OWN_LAYER: Final = ("platform", "data", "security")
Serves = Literal["source", "target"]
CATALOGUE_VARIABLE = "DCSHIFT_CATALOGUE"
_LAB_REGISTRY: Final = "dcshift.local"
_LAB_API_SERVER: Final = "192.0.2.10:6443"
_EXAMPLES: Final = {"registry": "registry.example.vn/dcshift", "apiServer": "10.0.0.10:6443"}


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
    database_instances: int | None
    postgres_tag: str | None
    data_may_be_destroyed: bool
    node_folders: values.NodeFolders
    rsyslog_image: str = "8"
    pgbouncer_image: str = "1"
    prometheus_image: str = "2"
    alertmanager_image: str = "0"
    alert_webhook: str | None = None
    runbooks: str = "docs/runbooks"
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
    def exposures(self) -> list[Exposure]:
        """The exposures that some system has: each has a door of its own."""
        return sorted({system.exposure for system in self.catalogue.systems})

    @property
    def deployed_release(self) -> str:
        """The release that runs: the stack's own, else the catalogue's."""
        return self.release or self.system.web.release

    def replicas(self, system: System) -> int:
        """Return how many web pods a system has: the file's number, and outside a lab at least the level's."""
        asked = self.asked(system)
        return max(system.web.replicas, asked.replicas_min if asked else 1)

    def instances(self, system: System) -> int:
        """Return how many PostgreSQL instances a system has: the stack's own number, else the level's, in a lab one."""
        asked = self.asked(system)
        return self.database_instances or (asked.postgres_instances_min if asked else 1)

    def poolers(self, system: System) -> int:
        """Return how many pods pool a system's connections: as many as the level asks for of whatever serves."""
        asked = self.asked(system)
        return (asked.replicas_min if asked else 1) if system.database.pooler else 0

    def asked(self, system: System) -> Controls | None:
        """Return what the level asks of a system, from where the rules have it; none in a lab: it has one machine."""
        return None if self.catalogue.province.is_lab else self.catalogue.controls(system)

    def pinned(self, name: str, reference: str) -> str:
        """Return an image of the registry by its tag or its digest."""
        return f"{self.registry}/{name}{'@' if reference.startswith('sha256:') else ':'}{reference}"

    @property
    def object_store(self) -> tuple[str, int]:
        """Host and port of the S3 endpoint."""
        parts = urlsplit(self.catalogue.province.target.object_store)
        return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)


def catalogue_folder() -> Path:
    """Return the province's folder: the one named by the environment, else the example."""
    given = os.environ.get(CATALOGUE_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parents[1] / "catalogue" / "khanh-hoa"


def read(stack: str, folder: Path | None = None) -> Settings:
    """Read the configuration of a stack of the catalogue in `folder`, else of the environment's.

    Raises `ConfigError`, `CatalogueError`, `InfraError` (image-of-another-release).
    """
    try:
        return _read(stack, folder or catalogue_folder())
    except pulumi.ConfigTypeError as wrong:
        raise ConfigError(f"{wrong}; docs/own-centre.md has every key with its type") from wrong


def _read(stack: str, folder: Path) -> Settings:
    config, catalogue = pulumi.Config("dcshift"), load(folder)
    layer = _layer(config.get("layer") or (stack if stack in _OWN_LAYER else "system"))
    system_id = None
    if layer == "system":
        system_id = config.get("system") or stack
        known = [system.id for system in catalogue.systems]
        if system_id not in known:
            raise ConfigError(
                f"stack {stack} is none of {', '.join(_OWN_LAYER)}, and the catalogue has no system {system_id!r}; "
                f"it has {', '.join(known)}. Set dcshift:system, or choose another stack"
            )
    release = config.get("release")
    deployed = None if system_id is None else release or catalogue.system(system_id).web.release
    registry, api_server = _of_own_centre(config, catalogue)
    settings = Settings(
        catalogue=catalogue,
        stack=stack,
        layer=layer,
        registry=registry,
        api_server=api_server,
        edge_namespace=config.get("edgeNamespace") or "dcshift-edge",
        operator_namespace=config.get("operatorNamespace") or "cnpg-system",
        database_instances=config.get_int("databaseInstances"),
        postgres_tag=config.get("postgresTag"),
        data_may_be_destroyed=bool(config.get_bool("dataMayBeDestroyed")),
        node_folders=values.NodeFolders(
            audit=config.get("auditLog") or "/var/log/kubernetes/audit",
            pods=config.get("podLogs") or "/var/log/pods",
            agent=config.get("agentState") or "/var/lib/dcshift-log-agent",
        ).checked(),
        rsyslog_image=values.reference("rsyslogImage", config.get("rsyslogImage") or "8"),
        pgbouncer_image=values.reference("pgbouncerImage", config.get("pgbouncerImage") or "1"),
        prometheus_image=values.reference("prometheusImage", config.get("prometheusImage") or "2"),
        alertmanager_image=values.reference("alertmanagerImage", config.get("alertmanagerImage") or "0"),
        alert_webhook=values.webhook(config.get("alertWebhook")),
        runbooks=config.get("runbooks") or "docs/runbooks",
        system_id=system_id,
        release=release,
        image=_digest(config.get("image"), deployed),
        serves=_serves(config.get("serves") or "source"),
        migrate=bool(config.get_bool("migrate")),
    )
    _check_addresses(settings)
    _check_capacity(settings)
    return settings


def _of_own_centre(config: pulumi.Config, catalogue: Catalogue) -> tuple[str, str]:
    """Return registry and API server; only the lab has ones that anybody could know beforehand."""
    registry, api_server = config.get("registry"), config.get("apiServer")
    if catalogue.province.is_lab:
        return registry or _LAB_REGISTRY, api_server or _LAB_API_SERVER
    if registry and api_server:
        return registry, api_server
    lacking = [key for key, value in (("registry", registry), ("apiServer", api_server)) if not value]
    raise ConfigError(
        f"{' and '.join(f'dcshift:{key}' for key in lacking)} must be set in environment "
        f"{catalogue.province.environment}: only a lab has a default. For each stack: "
        f"{'; '.join(f'pulumi config set dcshift:{key} {_EXAMPLES[key]}' for key in lacking)}"
    )


def _check_addresses(settings: Settings) -> None:
    """Refuse names where network policies need addresses, before any stack writes anything."""
    host, _, port = settings.api_server.rpartition(":")
    if not port.isdigit():
        raise ConfigError(f"dcshift:apiServer is {settings.api_server!r}; it must be an IPv4 address and a port")
    for where, given in (("target.object_store", settings.object_store[0]), ("dcshift:apiServer", host)):
        if not values.is_address(given):
            raise ConfigError(
                f"{where} names the host {given!r}; a network policy knows addresses only, so give its IPv4 address"
            )


def _layer(given: str) -> Layer:
    match given:
        case "platform" | "data" | "security" | "system":
            return given
        case _:
            raise ConfigError(f"dcshift:layer is {given!r}; allowed are platform, data, security and system")


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


def _check_capacity(settings: Settings) -> None:
    """Refuse a catalogue whose systems together ask for more than the target has.

    Requests are counted, not limits: those are what the scheduler reserves.
    """
    capacity = settings.catalogue.province.capacity
    wanted = sizes.Size(0, 0, 0, 0)
    storage = 0
    for system in settings.catalogue.systems:
        instances = settings.instances(system)
        wanted = wanted + sizes.app(system, settings.replicas(system))
        wanted = wanted + sizes.data(instances, settings.poolers(system))
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
