"""One information system as people declare it; anything that can be derived from its level is not written here."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Id = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$")]
"""DNS-1123, at most 20 characters, for ever: names on both sides are built from it."""
Quantity = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(s|m|h|d)$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00]*$")]
Host = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
CronSchedule = Annotated[str, StringConstraints(pattern=r"^\S+ \S+ \S+ \S+ \S+$")]


class Strict(BaseModel):
    """Unknown keys are refused and nothing is coerced, so a typing error never becomes a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Name(Strict):
    """What people call the system."""

    vi: str
    en: str


class Owner(Strict):
    """Who answers for the system, and the group that gets its roles."""

    agency: str
    group: str


class Decision(Strict):
    """The decision that approved the system's level."""

    number: str
    date: datetime.date
    expires: datetime.date


class Data(Strict):
    """Classes of information that the system keeps."""

    classes: Annotated[list[Literal["public", "private", "personal"]], Field(min_length=1)]


class Objectives(Strict):
    """What users may be asked to bear, during the move and after it."""

    rto: Duration
    read_only_max: Duration
    write_hold_max: Duration


class Web(Strict):
    """The system's web process."""

    image: str
    release: str
    host: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    port: Annotated[int, Field(ge=1024, le=65535)]
    health: AbsolutePath
    ready: AbsolutePath
    replicas: Annotated[int, Field(ge=1, le=20)]
    pages: list[AbsolutePath] = []
    """Public pages whose text must be the same on both sides."""


class Database(Strict):
    """The system's database on the target."""

    engine: Literal["postgres"]
    major: Annotated[int, Field(ge=14, le=18)]
    storage: Quantity
    locale: str = "en_US.UTF-8"
    extensions: list[str] = []


class Files(Strict):
    """One set of files."""

    name: Id
    kind: Literal["bucket"]


class Job(Strict):
    """One scheduled job."""

    name: Id
    schedule: CronSchedule
    command: Annotated[list[str], Field(min_length=1)]
    max_overlap: Literal[0] = 0


class SourceWeb(Strict):
    host: Host
    service: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9@._-]+\.service$")]


class SourceDatabase(Strict):
    host: Host
    name: str


class SourceFiles(Strict):
    host: Host
    path: AbsolutePath


class SourceJob(Strict):
    host: Host
    crontab: str
    """The user whose crontab runs the job; the line is found by the job's command."""


class SourceTraffic(Strict):
    host: Host
    site: Id


class Source(Strict):
    """Where the system lives today, by inventory host."""

    web: SourceWeb
    database: SourceDatabase
    files: dict[str, SourceFiles] = {}
    jobs: dict[str, SourceJob] = {}
    traffic: SourceTraffic

    def hosts(self) -> frozenset[str]:
        """Return every inventory host that this system names."""
        named = {self.web.host, self.database.host, self.traffic.host}
        return frozenset(
            named | {files.host for files in self.files.values()} | {job.host for job in self.jobs.values()}
        )


class System(Strict):
    """One information system: what it is, what it needs on the target, where it lives at the source."""

    api_version: Literal["dcshift/v1"] = Field(alias="apiVersion")
    id: Id
    name: Name
    level: Annotated[int, Field(ge=1, le=5)]
    owner: Owner
    decision: Decision
    data: Data
    exposure: Literal["internet", "government-network", "internal"]
    objectives: Objectives
    web: Web
    database: Database
    files: list[Files] = []
    jobs: list[Job] = []
    integrations: list[str] = []
    source: Source
    wave: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _both_sides_name_the_same_parts(self) -> System:
        for kind, declared, located in (
            ("files", {files.name for files in self.files}, set(self.source.files)),
            ("jobs", {job.name for job in self.jobs}, set(self.source.jobs)),
        ):
            if declared != located:
                odd = ", ".join(sorted(declared ^ located))
                raise ValueError(f"{kind} and source.{kind} must name the same parts; they differ in: {odd}")
        return self


def seconds(duration: Duration) -> int:
    """Return a duration such as `90s` or `4h` in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]
