"""What judges found against the reasons that we gave; pure. A reason that answers nothing is itself a failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """One rule of a judge that one object breaks; `object` is `Kind namespace/name`."""

    judge: str
    rule: str
    object: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one judge said: how many checks passed, and every one that failed."""

    judge: str
    version: str
    passed: int
    failures: tuple[Failure, ...]


def together(reports: Sequence[Report]) -> Report:
    """Return what one judge said of several centres as one; an object that fails alike in each is one failure."""
    failures = sorted({failure for report in reports for failure in report.failures})
    return Report(reports[0].judge, reports[0].version, sum(each.passed for each in reports), tuple(failures))


class Reason(BaseModel):
    """Why a rule of a judge is not kept by these objects."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    judge: str
    rule: str
    objects: Annotated[list[str], Field(min_length=1)]
    """Patterns of `Kind namespace/name`, each of which must answer a failure."""
    reason: Annotated[str, Field(min_length=20)]
    stands_in: str
    """The file that declares such objects, and says this beside them."""

    def answers(self, failure: Failure) -> bool:
        return any(_matches(self, pattern, failure) for pattern in self.objects)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What nobody answered, and what answers nobody."""

    unanswered: tuple[Failure, ...]
    idle: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.unanswered or self.idle)


def verdict(reports: Iterable[Report], given: Sequence[Reason]) -> Verdict:
    """Return which failures have no reason, and which reasons have no failure."""
    failures = sorted({failure for report in reports for failure in report.failures})
    idle = [
        f"{reason.judge} {reason.rule}: {pattern} ({reason.stands_in})"
        for reason in given
        for pattern in reason.objects
        if not any(_matches(reason, pattern, failure) for failure in failures)
    ]
    unanswered = [failure for failure in failures if not any(reason.answers(failure) for reason in given)]
    return Verdict(tuple(unanswered), tuple(idle))


def _matches(reason: Reason, pattern: str, failure: Failure) -> bool:
    return (reason.judge, reason.rule) == (failure.judge, failure.rule) and fnmatchcase(failure.object, pattern)
