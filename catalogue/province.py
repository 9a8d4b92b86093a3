"""The province as a whole: its domain, its two sites and its capacity; nothing about a single system."""

from __future__ import annotations

import datetime
import ipaddress
import zoneinfo
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from catalogue.norms import NormsId
from catalogue.system import Duration, Exposure, Host, Id, Name, Quantity, RateLimit, Strict, System, Text, seconds


def _network(cidr: str) -> str:
    ipaddress.ip_network(cidr)
    return cidr


def _few(cidr: str) -> str:
    if (network := ipaddress.ip_network(cidr)).prefixlen < _JOB_HOSTS_PREFIX_MIN:
        raise ValueError(
            f"{cidr} is {network.num_addresses} addresses; job hosts are machines: /{_JOB_HOSTS_PREFIX_MIN} or narrower"
        )
    return cidr


def _address(address: str) -> str:
    ipaddress.ip_address(address)
    return address


def _address4(address: str) -> str:
    ipaddress.IPv4Address(address)
    return address


def _time_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError("this is not a known time zone")
    return name


_JOB_HOSTS_PREFIX_MIN: Final = 24
_CERTIFICATE_SECONDS_MIN: Final = 2 * 3600
# The alert comes when half of it is gone, and a quarter of an hour later at the earliest.
_RENEWAL_SECONDS_MIN: Final = 3600
LAB: Final = "lab"
"""The one environment that levels excuse; any other word means that people depend on it."""
Cidr = Annotated[str, StringConstraints(pattern=r"^[0-9.]+/[0-9]{1,2}$"), AfterValidator(_network)]
JobHosts = Annotated[Cidr, AfterValidator(_few)]
Address = Annotated[str, AfterValidator(_address)]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$")]


class SourceSite(Strict):
    """The data centre that the systems leave."""

    cidr: Cidr
    hosts: Annotated[list[Host], Field(min_length=1)]


class Issuer(Strict):
    """Who signs, as cert-manager knows it: of the edge's namespace, or of the whole cluster."""

    kind: Literal["Issuer", "ClusterIssuer"] = "Issuer"
    name: ObjectName


class Certificates(Strict):
    """How the edge's certificate is made and renewed in the cluster, by cert-manager."""

    issuer: Issuer
    duration: Duration = "90d"
    renew_before: Duration = "30d"
    """How long before its end it is renewed: the time that people have when that fails."""
    namespace: ObjectName = "cert-manager"
    """Where cert-manager runs; what it says of certificates is measured there."""

    @model_validator(mode="after")
    def _renewable(self) -> Certificates:
        # Stricter than cert-manager's own bounds, which only its webhook keeps.
        if seconds(self.duration) < _CERTIFICATE_SECONDS_MIN or seconds(self.renew_before) < _RENEWAL_SECONDS_MIN:
            raise ValueError("a certificate lives two hours at least and is renewed an hour before its end at least")
        if seconds(self.renew_before) >= seconds(self.duration):
            raise ValueError(f"renewed {self.renew_before} before its end, it would have to live longer than that")
        return self


class Zone(Strict):
    """The door of the systems of one exposure."""

    gateway_class: Text
    """Whose controller serves its Gateway."""
    gateway_address: Address
    """Where that controller is reached."""


class TargetSite(Strict):
    """The data centre that the systems move to."""

    later = frozenset({"zones", "node_pools", "shared_storage_class"})

    gateway_class: Text
    storage_class: Text
    """Class of databases and of volumes for one pod; it should keep a volume whose claim goes."""
    shared_storage_class: Text | None = None
    """Class whose volumes pods on several nodes may write at once, as NFS and CephFS give; it should keep them, too."""
    gateway_address: Address
    zones: dict[Exposure, Zone] = Field(default_factory=dict)
    """Exposures with a door of their own; all others share the class and the address above."""
    node_pools: Annotated[list[Id], Field(max_length=64)] = Field(default_factory=list)
    """Groups of nodes kept apart by a label and a taint, each called after the exposure or the system it is for."""
    rate_limit: RateLimit | None = None
    """For every system that names none of its own; it says too that the gateway is traefik with its own kinds."""
    object_store: Url
    """Base URL of the S3 endpoint."""
    region: Text
    certificates: Certificates | None = None
    """Without it the site's own tool keeps the Secret `edge-tls` in the edge's namespace."""

    def zone(self, exposure: Exposure) -> Zone:
        """Return the door of the systems of an exposure."""
        shared = Zone(gateway_class=self.gateway_class, gateway_address=self.gateway_address)
        return self.zones.get(exposure, shared)

    def rate_limit_of(self, system: System) -> RateLimit | None:
        """Return what one client may ask of a system; none where the province limits nothing."""
        return self.rate_limit and (system.web.rate_limit or self.rate_limit)


class Capacity(Strict):
    """What the target can give to all systems together."""

    cpu: Annotated[int, Field(ge=1)]
    memory: Quantity
    storage: Quantity


class Window(Strict):
    """When a cut may begin, in the province's own time; a window may cross midnight."""

    name: Text
    start: ClockTime
    end: ClockTime


class NationalEndpoint(Strict):
    """A service of the nation that systems integrate with, such as the data exchange platform."""

    later: ClassVar[frozenset[str]] = frozenset({"addresses"})
    id: Id
    name: Name
    host: Domain
    addresses: Annotated[list[Annotated[str, AfterValidator(_address4)]], Field(default_factory=list, max_length=16)]
    """Where it is reached: network policies know addresses only, and without one nobody gets there."""
    port: Annotated[int, Field(ge=1, le=65535)] = 443


class LogEndpoint(Strict):
    """One place outside the centre that its security log is sent to, over TLS with certificates on both ends."""

    name: Domain
    """What its certificate says."""
    address: Annotated[str, AfterValidator(_address4)]
    """Network policies know addresses only."""
    port: Annotated[int, Field(ge=1, le=65535)] = 6514
    protocol: Literal["syslog", "relp"] = "syslog"
    """`syslog` is RFC 5425, which everybody speaks; `relp` confirms each line, so that none is lost on the way."""


class SecurityLog(Strict):
    """Where the centre's security log goes, and how much of it is kept while nobody takes it."""

    soc: LogEndpoint
    """The monitoring centre: the whole log."""
    national: LogEndpoint | None = None
    """The nation's monitoring system: six fields of each event of the audit log, never who or what."""
    events_per_second: Annotated[int, Field(ge=1, le=5000)] = 20
    """Lines a second, of the mean of three busy days; the queue on disk is sized by it."""
    buffer_hours: Annotated[int, Field(ge=72, le=720)] = 72


class Holiday(Strict):
    """One day on which nobody cuts over, in the province's own time."""

    name: Text
    date: datetime.date


class Blackout(Strict):
    """Days on which nobody cuts over, both ends included, such as the week of an election."""

    name: Text
    first: datetime.date
    last: datetime.date


class Province(Strict):
    """One public body that moves."""

    later = frozenset({"job_hosts", "norms", "national_endpoints", "holidays", "blackouts", "security_log"})

    api_version: Literal["dcshift/v1"] = Field(alias="apiVersion")
    id: Id
    name: Name
    domain: Domain
    time_zone: Annotated[str, AfterValidator(_time_zone)]
    environment: Id
    norms: NormsId = "vn-2016"
    """The set of norms that levels are read by; `dcshift catalogue norms-diff` shows what another one asks for."""
    source: SourceSite
    target: TargetSite
    job_hosts: list[JobHosts] = Field(default_factory=list)
    """Machines outside the cluster that carry the data: they alone may reach the databases from outside."""
    capacity: Capacity
    windows: list[Window] = Field(default_factory=list)
    national_endpoints: list[NationalEndpoint] = Field(default_factory=list)
    security_log: SecurityLog | None = None
    """Without it the centre sends no log, and the stack `security` refuses."""
    holidays: list[Holiday] = Field(default_factory=list)
    blackouts: list[Blackout] = Field(default_factory=list)

    @property
    def is_lab(self) -> bool:
        """Say whether what a level asks for is excused: one small machine that builds its images itself."""
        return self.environment == LAB

    def closed_on(self, day: datetime.date) -> str | None:
        """Return the name of the holiday or blackout that forbids a cut on this day; none if it is open."""
        for holiday in self.holidays:
            if holiday.date == day:
                return holiday.name
        for blackout in self.blackouts:
            if blackout.first <= day <= blackout.last:
                return blackout.name
        return None
