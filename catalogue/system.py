"""One information system as people declare it; anything that can be derived from its level is not written here."""

from __future__ import annotations

import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from catalogue.schedule import cron

Id = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$")]
"""DNS-1123, at most 20 characters, for ever: names on both sides are built from it."""
Quantity = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(s|m|h|d)$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00]*$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Unit = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9@._-]+\.service$")]
"""A service of systemd, with its ending."""
CronSchedule = Annotated[str, StringConstraints(pattern=r"^\S+ \S+ \S+ \S+ \S+$"), AfterValidator(cron)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^\S(.*\S)?$")]
"""Words for people or names of other programs: not empty, on one line, no blanks around them."""


class Strict(BaseModel):
    """Unknown keys are refused and nothing is coerced, so a typing error never becomes a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    later: ClassVar[frozenset[str]] = frozenset()
    """Fields that joined after plans were made with this model; their defaults may never change. See `load.digest`."""


class Name(Strict):
    """What people call the system."""

    vi: Text
    en: Text


class Owner(Strict):
    """Who answers for the system, and the group that gets its roles."""

    agency: Text
    group: Text


class Decision(Strict):
    """The decision that approved the system's level."""

    number: Text
    date: datetime.date
    expires: datetime.date


class Data(Strict):
    """Classes of information that the system keeps."""

    classes: Annotated[list[Literal["public", "private", "personal"]], Field(min_length=1)]


class Objectives(Strict):
    """What users may be asked to bear, during the move and after it."""

    rto: Duration
    rpo: Duration | None = None
    """How much of the last work may be lost with the site; must be within reach of the level's backups."""
    read_only_max: Duration
    write_hold_max: Duration


Exposure = Literal["internet", "government-network", "internal"]
"""From where a system is reached; each that is in use has a Gateway of its own at the edge."""
RATE_LIMIT_BURST_SECONDS_MAX: Final = 2
"""The gateway (traefik 3.6: ratelimiter, `ttl`) forgets a client that was silent so long."""


class RateLimit(Strict):
    """What one client may ask of one system; what is beyond is answered 429."""

    average: Annotated[int, Field(ge=1, le=100_000)]
    """Requests a second that a client may keep up."""
    burst: Annotated[int, Field(ge=1, le=200_000)]
    """Requests at once, after a silence."""

    @model_validator(mode="after")
    def _a_burst_is_regained_as_it_is_forgotten(self) -> RateLimit:
        if self.burst > self.average * RATE_LIMIT_BURST_SECONDS_MAX:
            raise ValueError(
                f"burst may be {RATE_LIMIT_BURST_SECONDS_MAX} times the average at most: the gateway forgets a client "
                f"that is silent for {RATE_LIMIT_BURST_SECONDS_MAX} s, and gives it the whole burst again"
            )
        return self


class Web(Strict):
    """The system's web process."""

    image: Text
    release: Text | None = None
    """What serves at the source, which the cut does not change. Without it the stack's settings say what runs."""
    host: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    port: Annotated[int, Field(ge=1024, le=65535)]
    health: AbsolutePath
    ready: AbsolutePath = Field(default_factory=lambda given: given.get("health", "/"))
    """Where the process says that it may be sent requests; the health page if nothing else is written."""
    replicas: Annotated[int, Field(ge=1, le=20)]
    pages: list[AbsolutePath] = []
    """Public pages whose text must be the same on both sides."""
    rate_limit: RateLimit | None = None
    """Its own in place of the province's, higher or lower."""


DATABASE_MAJOR_MIN: Final = 16
"""The migration's role needs pg_create_subscription, which PostgreSQL has since 16."""


class Database(Strict):
    """The system's database on the target."""

    engine: Literal["postgres"]
    major: Annotated[int, Field(ge=DATABASE_MAJOR_MIN, le=18)]
    storage: Quantity
    locale: Text = "en_US.UTF-8"
    extensions: list[Text] = []
    pooler: Literal["session", "transaction"] | None = None
    """A pool of connections between the application and its database; the word says for how long it lends one.

    `session` changes nothing for the application, but whoever keeps his connection open keeps the pool's, too.
    `transaction` serves many more, and breaks whoever sets, locks, listens or prepares beyond a transaction.
    """


Access = Literal["many-pods", "one-pod"]
"""Who opens a volume: every pod of the system, on whatever node, or the only pod of its web process."""


class Files(Strict):
    """One set of files: objects in a bucket, or a tree on a volume that pods open by its path."""

    later: ClassVar[frozenset[str]] = frozenset({"kept_days", "path", "access"})
    name: Id
    kind: Literal["bucket", "volume"]
    storage: Quantity | None = None
    """Size of a volume; a bucket has none."""
    kept_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How many days what was overwritten or deleted in a bucket can be fetched back; until then it takes its room."""
    path: AbsolutePath | None = None
    """Where pods find a volume; without it, where the files lie at the source: the application is the same."""
    access: Access = "many-pods"
    """`one-pod` needs no storage that several nodes may write, and forbids a second web pod for ever."""


class Quota(Strict):
    """The most that a system's pods may reserve and its data may fill."""

    cpu: Annotated[int, Field(ge=1)]
    memory: Quantity
    storage: Quantity


QUOTAS: Final = {
    "small": Quota(cpu=1, memory="4Gi", storage="20Gi"),
    "medium": Quota(cpu=4, memory="16Gi", storage="200Gi"),
    "large": Quota(cpu=16, memory="64Gi", storage="2Ti"),
}


class Job(Strict):
    """One scheduled job."""

    name: Id
    schedule: CronSchedule
    command: Annotated[list[Text], Field(min_length=1)]
    max_overlap: Literal[0] = 0


class Worker(Strict):
    """One process that works without being asked: it reads a queue, sends messages, renders documents."""

    name: Id
    command: Annotated[list[Text], Field(min_length=1)]
    alive: Annotated[list[Text], Field(min_length=1)]
    """Ends with 0 as long as the worker gets on; asked in its own container, and what hangs is started anew."""
    replicas: Annotated[int, Field(ge=1, le=20)] = 1
    """How many may work side by side; there are never more, also during a release."""


class SourceWeb(Strict):
    host: Host
    service: Unit


class SourceDatabase(Strict):
    host: Host
    name: Text


class SourceFiles(Strict):
    later: ClassVar[frozenset[str]] = frozenset({"left_behind"})
    host: Host
    path: AbsolutePath
    left_behind: list[Text] = []
    """Links, sockets and the like that people decided not to carry: patterns of paths in the set, `*` also over `/`."""


class SourceJob(Strict):
    host: Host
    crontab: Text
    """The user whose crontab runs the job; the line is found by the job's command."""


class SourceWorker(Strict):
    host: Host
    service: Unit


class SourceTraffic(Strict):
    host: Host
    site: Id


class Source(Strict):
    """Where the system lives today, by inventory host."""

    later: ClassVar[frozenset[str]] = frozenset({"jobs_left_behind", "workers"})
    web: SourceWeb
    database: SourceDatabase
    files: dict[Id, SourceFiles] = {}
    jobs: dict[Id, SourceJob] = {}
    jobs_left_behind: list[Text] = []
    """Lines of its users' crontabs that people decided not to carry: patterns of the whole line, as `* logrotate *`."""
    workers: dict[Id, SourceWorker] = {}
    traffic: SourceTraffic

    def hosts(self) -> frozenset[str]:
        """Return every inventory host that this system names."""
        found = {self.web.host, self.database.host, self.traffic.host}
        found |= {files.host for files in self.files.values()}
        return frozenset(found | self.background_hosts())

    def background_hosts(self) -> frozenset[str]:
        """Return every host on which something of this system works unasked."""
        jobs = {job.host for job in self.jobs.values()}
        return frozenset(jobs | {worker.host for worker in self.workers.values()})


class System(Strict):
    """One information system: what it is, what it needs on the target, where it lives at the source."""

    later: ClassVar[frozenset[str]] = frozenset({"workers"})
    api_version: Literal["dcshift/v1"] = Field(alias="apiVersion")
    id: Id
    name: Name
    level: Annotated[int, Field(ge=1, le=5)]
    owner: Owner
    decision: Decision
    data: Data
    exposure: Exposure
    objectives: Objectives
    web: Web
    database: Database
    files: list[Files] = []
    jobs: list[Job] = []
    workers: list[Worker] = []
    integrations: list[Id] = []
    """Systems and national endpoints that this one talks to; the other system declares it too."""
    source: Source
    wave: Annotated[int, Field(ge=1)]
    quota: Literal["small", "medium", "large"] | Quota | None = None
    """A ceiling for what the system's parts add up to; without it the parts alone decide."""

    @model_validator(mode="after")
    def _names_are_used_once(self) -> System:
        for kind, names in (
            ("files", [files.name for files in self.files]),
            ("jobs", [job.name for job in self.jobs]),
            ("workers", [worker.name for worker in self.workers]),
            ("integrations", self.integrations),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                sentence = f"{kind} names {', '.join(twice)} twice"
                raise PydanticCustomError("parts_differ", "{sentence}", {"sentence": sentence, "path": (kind,)})
        return self

    @model_validator(mode="after")
    def _both_sides_name_the_same_parts(self) -> System:
        for kind, declared, located in (
            ("files", {files.name for files in self.files}, set(self.source.files)),
            ("jobs", {job.name for job in self.jobs}, set(self.source.jobs)),
            ("workers", {worker.name for worker in self.workers}, set(self.source.workers)),
        ):
            if declared != located:
                odd = ", ".join(sorted(declared ^ located))
                sentence = f"{kind} and source.{kind} must name the same parts; they differ in: {odd}"
                path = ("source", kind) if kind in self.source.model_fields_set else ("source",)
                raise PydanticCustomError("parts_differ", "{sentence}", {"sentence": sentence, "path": path})
        return self


def mebibytes(quantity: Quantity) -> int:
    """Return a quantity such as `10Gi` in MiB."""
    return int(quantity[:-2]) * {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}[quantity[-2:]]


def seconds(duration: Duration) -> int:
    """Return a duration such as `90s` or `4h` in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]
