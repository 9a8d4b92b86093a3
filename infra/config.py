"""What a stack is told, read once and checked here; components never read configuration themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from catalogue import demand, node_pools
from catalogue.controls import Controls
from catalogue.load import Catalogue, load
from catalogue.system import Exposure, System, mebibytes
from infra import order, sizes, stack_keys, values
from infra.errors import ConfigError, InfraError, SettingFault, SettingsError

Serves = Literal["source", "target"]
CATALOGUE_VARIABLE = "DCSHIFT_CATALOGUE"
_DRILL_DAYS: Final = 30
"""At levels whose norms ask for no restore drill: a backup counts when it was restored, whosever it is."""
_LAB_REGISTRY: Final = "dcshift.local"
_LAB_API_SERVER: Final = "192.0.2.10:6443"
_EXAMPLES: Final = {"registry": "registry.example.vn/dcshift", "apiServer": "10.0.0.10:6443"}


@dataclass(frozen=True, slots=True)
class Settings:
    """One stack's configuration with the catalogue that it is derived from."""

    catalogue: Catalogue
    stack: str
    layer: order.Layer
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
    state_metrics_namespace: str | None = None
    seeds: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """By system, address and port of the copy that its database begins from; of all others it begins empty."""
    runbooks: str = "docs/runbooks"
    system_id: str | None = None
    release: str | None = None
    image: str | None = None
    serves: Serves = "source"
    migrate: bool = False

    @property
    def system(self) -> System:
        """The one system of a system's stack, and of its ground's."""
        assert self.system_id is not None
        return self.catalogue.system(self.system_id)

    @property
    def exposures(self) -> list[Exposure]:
        """The exposures that some system has: each has a door of its own."""
        return sorted({system.exposure for system in self.catalogue.systems})

    @property
    def deployed_release(self) -> str:
        """The release that runs: the stack's own, else the catalogue's."""
        release = self.release or self.system.web.release
        assert release is not None, "read() refuses a system's stack of which nobody says what runs"
        return release

    def replicas(self, system: System) -> int:
        """Return how many web pods a system has: the file's number, and outside a lab at least the level's."""
        return demand.web_pods(system, self.asked(system))

    def instances(self, system: System) -> int:
        """Return how many PostgreSQL instances a system has: the stack's own number, else the level's, in a lab one."""
        asked = self.asked(system)
        return self.database_instances or (asked.postgres_instances_min if asked else 1)

    def poolers(self, system: System) -> int:
        """Return how many pods pool a system's connections: as many as the level asks for of whatever serves."""
        asked = self.asked(system)
        return (asked.replicas_min if asked else 1) if system.database.pooler else 0

    def drill_seconds_max(self, system: System) -> int:
        """Return how old the last restore drill that was equal may be: what the level asks for, in a lab too.

        A schedule by the calendar is a day late now and then, and people are: a sixth more is no news.
        """
        days = self.catalogue.controls(system).restore_drill_every_days or _DRILL_DAYS
        return days * 24 * 3600 * 7 // 6

    def asked(self, system: System) -> Controls | None:
        """Return what the level asks of a system, from where the rules have it; none in a lab: it has one machine."""
        return None if self.catalogue.province.is_lab else self.catalogue.controls(system)

    def pool(self, system: System) -> str | None:
        """Return the pool of nodes that a system stands in; none where it shares nodes with others."""
        return node_pools.pool(system, self.asked(system), self.catalogue.province.target)

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

    Raises `ConfigError` (of single keys: `SettingsError`), `CatalogueError`, `InfraError` (image-of-another-release).
    """
    told = stack_keys.told()
    stack_keys.refuse_another(stack, told)
    catalogue = load(folder or catalogue_folder())
    layer = cast(order.Layer, told.get("layer") or order.layer(stack))
    system_id = _system(stack, told.get("system"), catalogue) if layer in ("ground", "system") else None
    release = told.get("release")
    deployed = None
    if system_id is not None and layer == "system":
        if not (release or catalogue.system(system_id).web.release):
            release = _release_of(told.get("image"), stack, system_id)
        deployed = release or catalogue.system(system_id).web.release
    registry, api_server = _of_own_centre(told, catalogue)
    instances = told.get("databaseInstances")
    settings = Settings(
        catalogue=catalogue,
        stack=stack,
        layer=layer,
        registry=registry,
        api_server=api_server,
        edge_namespace=told["edgeNamespace"],
        operator_namespace=told["operatorNamespace"],
        database_instances=int(instances) if instances else None,
        postgres_tag=told.get("postgresTag"),
        data_may_be_destroyed=told.get("dataMayBeDestroyed") == "true",
        node_folders=values.NodeFolders(told["auditLog"], told["podLogs"], told["agentState"]).checked(),
        rsyslog_image=told["rsyslogImage"],
        pgbouncer_image=told["pgbouncerImage"],
        prometheus_image=told["prometheusImage"],
        alertmanager_image=told["alertmanagerImage"],
        alert_webhook=told.get("alertWebhook"),
        state_metrics_namespace=told.get("stateMetricsNamespace"),
        runbooks=told["runbooks"],
        seeds=_seeds(told.get("seededFrom"), catalogue),
        system_id=system_id,
        release=release,
        image=_digest(told.get("image"), deployed),
        serves=cast(Serves, told["serves"]),
        migrate=told.get("migrate") == "true",
    )
    _check_store(settings)
    _check_capacity(settings)
    return settings


def _system(stack: str, given: str | None, catalogue: Catalogue) -> str:
    known = [system.id for system in catalogue.systems]
    if (named := given or order.system(stack)) in known:
        return named
    there = f"the catalogue has no system {named!r}; it has {', '.join(known)}"
    if given:
        raise SettingsError([SettingFault("system", given, f"dcshift:system is {given!r}, and {there}")])
    own = ", ".join(order.ground("SYSTEM") if each == "ground" else each for each in order.LAYERS if each != "system")
    raise ConfigError(f"stack {stack} is none of {own}, and {there}. Set dcshift:system, or choose another stack")


def _seeds(given: str | None, catalogue: Catalogue) -> dict[str, tuple[str, int]]:
    found = values.seeds(given) if given else {}
    known = [system.id for system in catalogue.systems]
    if strange := sorted(set(found) - set(known)):
        sentence = f"dcshift:seededFrom names {', '.join(strange)}, and the catalogue has {', '.join(known)}"
        raise SettingsError([SettingFault("seededFrom", given or "", sentence)])
    return found


def _of_own_centre(told: Mapping[str, str], catalogue: Catalogue) -> tuple[str, str]:
    """Return registry and API server; only the lab has ones that anybody could know beforehand."""
    registry, api_server = told.get("registry"), told.get("apiServer")
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


def _check_store(settings: Settings) -> None:
    """Refuse a name where network policies need an address, before any stack writes anything."""
    if not values.is_address(host := settings.object_store[0]):
        raise ConfigError(
            f"target.object_store names the host {host!r}; a network policy knows addresses only, "
            "so give its IPv4 address"
        )


def _release_of(image: str | None, stack: str, system_id: str) -> str:
    """Return the release that an image names, where nothing else does; `image` is `RELEASE@DIGEST`."""
    if image is None:
        raise ConfigError(
            f"nothing says which release of {system_id} runs: its file names no web.release. "
            f"Write it there, or: pulumi config set dcshift:release RELEASE --stack {stack}"
        )
    return image.rpartition("@")[0]


def _digest(given: str | None, deployed: str | None) -> str | None:
    """Return the digest of the release that runs; `given` is `RELEASE@DIGEST`, so that neither can change alone."""
    if given is None:
        return None
    release, _, digest = given.rpartition("@")
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
    wanted = sizes.Size(0, 0, 0, 0, 0)
    storage = 0
    for system in settings.catalogue.systems:
        instances = settings.instances(system)
        wanted = wanted + sizes.app(system, settings.replicas(system))
        wanted = wanted + sizes.data(instances, settings.poolers(system))
        storage += mebibytes(system.database.storage) * instances + sizes.files(system)
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
