"""The questions of a contract's `readiness`, as one side writes and the other reads them; it asks nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Condition:
    """What a custom resource says of itself."""

    type: str
    resource: str
    """Its plural, such as `clusters`."""
    group: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"condition {self.type} of {self.resource}.{self.group}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Page:
    """The status of a public page, asked at the target's own gateway."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"GET https://{self.host}{self.path}"


_CONDITION: Final = re.compile(r"condition (\w+) of ([a-z]+)\.([a-z0-9.-]+)/([a-z0-9-]+)/([a-z0-9.-]+)")
_PAGE: Final = re.compile(r"GET https://([a-z0-9.-]+)(/\S*)")


def question(probe: str) -> Condition | Page | None:
    """Return what a probe asks; none if it is of a kind that this program does not know."""
    if asked := _CONDITION.fullmatch(probe):
        return Condition(*asked.groups())
    return Page(*asked.groups()) if (asked := _PAGE.fullmatch(probe)) else None
