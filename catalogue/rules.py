"""Rules that no single file can keep: between systems, with the province, its norms and the day; pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Final

from catalogue import demand, doors, node_pools, volumes
from catalogue.controls import Controls
from catalogue.province import Province
from catalogue.reading import Fault, FieldPath
from catalogue.system import System, mebibytes, seconds
from catalogue.written import Whole, Written

WAL_ARCHIVE_SECONDS_MAX: Final = 300
"""PostgreSQL hands a segment of its log to the archive at the latest after this long (archive_timeout)."""
PERSONAL_LEVEL_MIN: Final = 2
DECISION_ENDS_SOON_DAYS: Final = 90


def system_faults(systems: Sequence[Written], whole: Whole | None) -> list[Fault]:
    """Return what is wrong between systems; rules that need the province wait until it can be read."""
    found = [*_used_twice(systems)]
    for written in systems:
        found += _own(written)
        found += volumes.faults(written)
        if whole is not None:
            found += _integrations(written, systems, whole)
            found += _hosts(written, whole.province)
            found += _rpo(written, whole)
            found += _quota(written, whole)
            found += volumes.access_faults(written, whole, _asking(written, whole))
    if whole is not None:
        found += _own_cluster(systems, whole)
        found += doors.faults(systems, whole)
        found += node_pools.faults(systems, whole)
    return found


def province_faults(whole: Whole) -> list[Fault]:
    """Return what is wrong in the province's own file."""
    province, place = whole.province, whole.place
    found = []
    for index, window in enumerate(province.windows):
        if window.start == window.end:
            sentence = f"window {window.name!r} starts and ends at {window.start}: no cut could fit"
            found.append(place.fault(("windows", index), sentence))
    for index, blackout in enumerate(province.blackouts):
        if blackout.last < blackout.first:
            sentence = f"blackout {blackout.name!r} ends on {blackout.last}, before it begins on {blackout.first}"
            found.append(place.fault(("blackouts", index), sentence))
    seen: set[str] = set()
    for index, endpoint in enumerate(province.national_endpoints):
        if endpoint.id in seen:
            found.append(place.fault(("national_endpoints", index), f"endpoint {endpoint.id!r} is given twice"))
        seen.add(endpoint.id)
    return found


def capacity_faults(whole: Whole, systems: Sequence[Written]) -> list[Fault]:
    """Return what the systems, as they will stand there, reserve beyond the capacity; likewise their quotas."""
    found = []
    asked = sum((demand.of_system(each.system, _asking(each, whole)) for each in systems), demand.Demand())
    quotas = [demand.of_quota(each.system.quota) for each in systems if each.system.quota]
    for what, wanted in (("systems reserve", asked), ("quotas add up to", sum(quotas, demand.Demand()))):
        for phrase in demand.excess(wanted, _capacity(whole.province)):
            found.append(whole.place.fault(("capacity",), f"capacity is too small: the {what} {phrase}"))
    return found


def warnings(systems: Sequence[Written], whole: Whole) -> list[Fault]:
    """Return what can be lived with today: endpoints without address, zones with one door, capacity short of levels."""
    found = list(doors.warnings(systems, whole))
    unreached = {endpoint.id for endpoint in whole.province.national_endpoints if not endpoint.addresses}
    for written in systems:
        for index, other in enumerate(written.system.integrations):
            if other in unreached:
                sentence = f"integration {other!r} is cut off: province.yaml names no addresses of this endpoint"
                found.append(written.fault(("integrations", index), sentence))
    asked = sum((demand.of_system(each.system, whole.controls(each.system)) for each in systems), demand.Demand())
    for phrase in demand.excess(asked, _capacity(whole.province)):
        sentence = f"capacity is too small for the replicas and instances that {whole.norms.id} asks for: {phrase}"
        found.append(whole.place.fault(("capacity",), sentence))
    return found


def dated(systems: Sequence[Written], today: datetime.date) -> tuple[list[Fault], list[Fault]]:
    """Return faults and warnings of this day. Kept out of `load`: a way back must not end with a decision."""
    faults, warned = [], []
    for written in systems:
        decision, path = written.system.decision, ("decision", "expires")
        left_days = (decision.expires - today).days
        if left_days < 0:
            sentence = f"decision {decision.number} on level {written.system.level} ended on {decision.expires}"
            faults.append(written.fault(path, sentence))
        elif left_days <= DECISION_ENDS_SOON_DAYS:
            sentence = (
                f"decision {decision.number} on level {written.system.level} ends in {left_days} days, "
                f"on {decision.expires}"
            )
            warned.append(written.fault(path, sentence))
    return faults, warned


def rpo_seconds(controls: Controls) -> int | None:
    """Return how much of the last work the backups of these controls lose at most; none without backups."""
    if controls.backup_wal_archive:
        return WAL_ARCHIVE_SECONDS_MAX
    return None if controls.backup_every_hours is None else controls.backup_every_hours * 3600


def _asking(written: Written, whole: Whole) -> Controls | None:
    """Return whose replicas and instances will stand there: outside a lab at least the level's."""
    return None if whole.province.is_lab else whole.controls(written.system)


def _capacity(province: Province) -> demand.Demand:
    has = province.capacity
    return demand.Demand(has.cpu * 1000, mebibytes(has.memory), mebibytes(has.storage))


def _used_twice(systems: Sequence[Written]) -> Iterator[Fault]:
    for what, path, value in (
        ("id", ("id",), lambda system: system.id),
        ("web.host", ("web", "host"), lambda system: system.web.host),
        ("source.database", ("source", "database"), lambda s: f"{s.source.database.host}/{s.source.database.name}"),
    ):
        seen: dict[str, str] = {}
        for written in systems:
            key = value(written.system)
            if key in seen:
                yield written.fault(path, f"{what} {key!r} is already used in {seen[key]}")
            seen.setdefault(key, written.place.file)


def _own(written: Written) -> Iterator[Fault]:
    system = written.system
    if system.decision.expires < system.decision.date:
        sentence = f"decision {system.decision.number} expires on {system.decision.expires}, before it was taken"
        yield written.fault(("decision", "expires"), sentence)
    if "personal" in system.data.classes and system.level < PERSONAL_LEVEL_MIN:
        sentence = f"level is {system.level} and the system keeps personal data: level {PERSONAL_LEVEL_MIN} at least"
        yield written.fault(("level",), sentence)


def _integrations(written: Written, systems: Sequence[Written], whole: Whole) -> Iterator[Fault]:
    system, national = written.system, {endpoint.id for endpoint in whole.province.national_endpoints}
    known = {each.system.id: each for each in systems}
    for index, name in enumerate(system.integrations):
        path, other = ("integrations", index), known.get(name)
        if name == system.id:
            yield written.fault(path, f"integration {name!r} is the system itself")
        elif other is None:
            if name not in national:
                sentence = f"integration {name!r} is not a system of this catalogue, nor a national endpoint"
                yield written.fault(path, sentence)
        else:
            if system.id not in other.system.integrations:
                sentence = f"integration {name!r} is not declared on its other end, in {other.place.file}"
                yield written.fault(path, sentence)
            if "personal" in other.system.data.classes and system.level < PERSONAL_LEVEL_MIN:
                sentence = (
                    f"level is {system.level} and {name!r}, which it integrates with, keeps personal data: "
                    f"level {PERSONAL_LEVEL_MIN} at least"
                )
                yield written.fault(("level",), sentence)


def _hosts(written: Written, province: Province) -> Iterator[Fault]:
    for host in sorted(written.system.source.hosts() - set(province.source.hosts)):
        sentence = f"host {host!r} is not in the province's source.hosts ({', '.join(province.source.hosts)})"
        yield written.fault(_path_of_host(written.system, host), sentence)


def _path_of_host(system: System, host: str) -> FieldPath:
    source = system.source
    for part in ("web", "database", "traffic"):
        if getattr(source, part).host == host:
            return ("source", part, "host")
    for files_name, files in source.files.items():
        if files.host == host:
            return ("source", "files", files_name, "host")
    for part in ("jobs", "workers"):
        for name, placed in getattr(source, part).items():
            if placed.host == host:
                return ("source", part, name, "host")
    return ("source",)


def _rpo(written: Written, whole: Whole) -> Iterator[Fault]:
    rpo, reachable = written.system.objectives.rpo, rpo_seconds(whole.controls(written.system))
    if rpo is None or (reachable is not None and seconds(rpo) >= reachable):
        return
    may_lose = "everything" if reachable is None else f"up to {reachable} s"
    sentence = f"objectives.rpo is {rpo}, and the backups of level {written.system.level} may lose {may_lose}"
    yield written.fault(("objectives", "rpo"), sentence)


def _quota(written: Written, whole: Whole) -> Iterator[Fault]:
    if written.system.quota is not None:
        asked = demand.of_system(written.system, _asking(written, whole))
        for phrase in demand.excess(asked, demand.of_quota(written.system.quota)):
            yield written.fault(("quota",), f"quota is too small: the system's parts reserve {phrase}")


def _own_cluster(systems: Sequence[Written], whole: Whole) -> Iterator[Fault]:
    for written in systems:
        if whole.controls(written.system).own_cluster and len(systems) > 1:
            sentence = (
                f"level {written.system.level} needs a cluster of its own: give the system a catalogue of its own"
            )
            yield written.fault(("level",), sentence)
