"""What restore drills leave, as monitoring sees it, and who is called: the portal's norms ask for one in 30 days."""

from __future__ import annotations

from typing import Final

from tests.support.alert_case import Case

DAY: Final = 86400
_AUTHORITY: Final = 'kube_configmap_created{system="platform",namespace="dcshift-drills",configmap="kube-root-ca.crt"}'


def equal(at_seconds: int, system: str = "portal") -> dict[str, str]:
    return _mark(system, "equal", f"{at_seconds}x60")


def failed(values: str) -> dict[str, str]:
    return _mark("portal", "failed", values)


def _mark(system: str, how: str, values: str) -> dict[str, str]:
    labels = f'system="{system}",namespace="dcshift-drills",configmap="{system}-drill-{how}"'
    return {f"kube_configmap_created{{{labels}}}": values}


def born(at_seconds: int, system: str = "portal") -> dict[str, str]:
    """Return when the namespace of a database was made; that of its application was yesterday."""
    return {
        f'kube_namespace_created{{system="{system}",namespace="httt-{system}-data"}}': f"{at_seconds}x60",
        f'kube_namespace_created{{system="{system}",namespace="httt-{system}-app"}}': f"{37 * DAY}x60",
    }


def maps_are_told() -> dict[str, str]:
    return {_AUTHORITY: "0x60"}


def _overdue(series: dict[str, str], at: str, told: str | None = None) -> Case:
    sentence = told and f"portal: no backup was restored and found equal for {told}"
    return Case("DrillOverdue", series, at, sentence, every="1d")


def _unknown(series: dict[str, str], told: bool) -> Case:
    others = born(0, "feedback")
    sentence = "portal: nobody can say when a backup was last restored and found equal" if told else None
    return Case("DrillUnknown", others | series, "3h", sentence, every="30m")


CASES: Final = (
    _overdue(equal(1 * DAY) | born(0), "38d", "37d 0h 0m 0s"),
    # Late by the calendar: a month of 31 days, and people.
    _overdue(equal(1 * DAY) | born(0), "35d"),
    # Drilled in time, whatever happened to it afterwards, and however old its namespace is.
    _overdue(equal(30 * DAY) | failed(f"{31 * DAY}x60") | born(0), "38d"),
    # Never drilled: as old as its namespace, and not as the other system's.
    _overdue(equal(30 * DAY, "feedback") | born(0), "37d", "37d 0h 0m 0s"),
    _overdue(born(10 * DAY), "38d"),
    Case("DrillFailed", failed("600x20"), "20m",
         "portal: the restore drill of 1970-01-01 00:10:00 +0000 UTC failed, and none was equal since"),
    # The next one was equal.
    Case("DrillFailed", failed("600x15 stale") | equal(960), "20m"),
    Case("DrillFailed", equal(600), "20m"),
    # A system of which nothing is told beside one that is young and was never drilled.
    _unknown(maps_are_told(), told=True),
    _unknown(maps_are_told() | born(0), told=False),
    _unknown(equal(600), told=False),
)  # fmt: skip
