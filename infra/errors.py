"""The errors of infra: what, why, in what state it leaves things, what next. They print nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class ConfigError(Exception):
    """The stack's configuration cannot be used; the message names the key and what is allowed."""


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One setting that cannot be used: its key without the prefix, its value, and a sentence with what is allowed."""

    key: str
    given: str
    sentence: str


class SettingsError(ConfigError):
    """Settings of one stack cannot be used; `faults` holds every one of them."""

    def __init__(self, faults: Iterable[SettingFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n         ".join(fault.sentence for fault in self.faults))


class InfraError(Exception):
    """A fault in four thoughts; `code` is kebab-case and stable."""

    def __init__(self, code: str, *, what: str, why: str, state: str, next: str) -> None:
        super().__init__(what)
        self.code, self.what, self.why, self.state, self.next = code, what, why, state, next

    def __str__(self) -> str:
        return f"error[{self.code}]: {self.what}\n  why:   {self.why}\n  state: {self.state}\n  next:  {self.next}"
