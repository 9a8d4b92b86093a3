"""The province as a whole: its domain, its two sites and its capacity; nothing about a single system."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from catalogue.system import Host, Id, Name, Quantity, Strict

Cidr = Annotated[str, StringConstraints(pattern=r"^[0-9.]+/[0-9]{1,2}$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class SourceSite(Strict):
    """The data centre that the systems leave."""

    cidr: Cidr
    hosts: Annotated[list[Host], Field(min_length=1)]


class TargetSite(Strict):
    """The data centre that the systems move to."""

    gateway_class: str
    storage_class: str
    gateway_address: str
    object_store: str
    """Base URL of the S3 endpoint."""
    region: str


class Capacity(Strict):
    """What the target can give to all systems together."""

    cpu: Annotated[int, Field(ge=1)]
    memory: Quantity
    storage: Quantity


class Window(Strict):
    """When a cut may begin, in the province's own time; a window may cross midnight."""

    name: str
    start: ClockTime
    end: ClockTime


class Province(Strict):
    """One public body that moves."""

    api_version: Literal["dcshift/v1"] = Field(alias="apiVersion")
    id: Id
    name: Name
    domain: str
    time_zone: str
    environment: Id
    source: SourceSite
    target: TargetSite
    capacity: Capacity
    windows: list[Window] = Field(default_factory=list)
