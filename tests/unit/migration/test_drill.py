"""A restore drill: what it orders, what it measures, and that its scratch database goes however it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from catalogue.target import SecretRef, TargetBackup
from migration.adapters.drill_room import scratch
from migration.cli.drill import told
from migration.drill import drill
from migration.errors import StepFailed
from migration.model.drilled import Base, Drilled, Instant
from tests.support.examples import catalogue

NIGHT = Base("portal-db-nightly-1", "20261124T010000", 1_000.0)
TOTALS = {"public.dossier": (300_000, 17), "public.payment": (5, -3)}
INSTANT = Instant("0/5000028", 40_000.0, TOTALS, 300.0)


class Hours:
    """A clock on which only waiting takes time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return 50_000.0 + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Centre:
    """A room and its databases; notes what is done to them."""

    def __init__(self, *, base: Base | None = NIGHT, restored_after: int = 3, fail_at: str = "", **back: Any) -> None:
        self.done, self.base, self.looks = list[str](), base, restored_after
        self.fail_at, self.back, self.living = fail_at, {**TOTALS, **back}, dict(TOTALS)
        self.stays, self.shut = False, 0

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what == self.fail_at:
            raise StepFailed("x", what=what, why="planted", state="", next="")

    def newest_backup(self) -> Base | None:
        return self.base

    def back_up(self) -> Base:
        self._do("back_up")
        return NIGHT

    def restore(self, base: Base, instant: Instant) -> None:
        self._do(f"restore {base.id} {instant.lsn}")

    def restored(self) -> tuple[bool, str]:
        self.looks -= 1
        return self.looks <= 0, "Setting up primary"

    def clear(self) -> Sequence[str]:
        self._do("clear")
        if self.stays and self.done.count("clear") > 1:
            raise StepFailed("y", what="the scratch database is not gone", why="pod still there", state="", next="")
        return ["pv-7"]

    def instant(self) -> Instant:
        self._do("instant")
        return dataclasses.replace(INSTANT, totals=self.living)

    def archived(self, instant: Instant) -> bool:
        self._do("archived")
        return self.done.count("archived") > 2

    def answers(self) -> bool:
        self.shut -= 1
        return self.shut < 0

    def restored_totals(self) -> dict[str, tuple[int, int]]:
        self._do("compare")
        return {name: total for name, total in self.back.items() if total}


def drilled(centre: Centre, said: list[str] | None = None, seconds_max: float = 60) -> Drilled:
    note = (said if said is not None else []).append
    return drill("portal", centre, centre, Hours(), note, seconds_max=seconds_max)


def test_the_newest_backup_is_restored_up_to_a_noted_instant_and_removed_again() -> None:
    centre, said = Centre(), list[str]()
    found = drilled(centre, said)
    assert centre.done == [
        *("clear", "instant", "archived", "archived", "archived"),
        *("restore 20261124T010000 0/5000028", "compare", "clear"),
    ]
    assert (found.differences, found.rows) == ((), 300_005)
    assert (found.archived_seconds, found.restored_seconds, found.rpo_seconds) == (4.0, 4.0, 304.0)
    assert any("pv-7" in line and "wipe" in line for line in said), "data that stays is said"


def test_without_a_backup_one_is_made_and_said() -> None:
    centre, said = Centre(base=None), list[str]()
    assert drilled(centre, said).base == NIGHT
    assert centre.done[:2] == ["clear", "back_up"]
    assert "there is no backup yet: making one" in said


@pytest.mark.parametrize("fail_at", ["restore 20261124T010000 0/5000028", "compare"])
def test_the_scratch_database_goes_also_when_the_drill_fails(fail_at: str) -> None:
    centre = Centre(fail_at=fail_at)
    with pytest.raises(StepFailed, match="planted"):
        drilled(centre)
    assert centre.done[-1] == "clear"


def test_a_restored_database_whose_address_comes_later_is_waited_for_and_that_counts() -> None:
    centre, said = Centre(), list[str]()
    centre.shut = 4
    assert drilled(centre, said).restored_seconds == 12.0
    assert any(line.startswith("waiting until it lets us in") for line in said)


def test_a_restored_database_that_lets_nobody_in_is_given_up_and_removed() -> None:
    centre = Centre()
    centre.shut = 1_000
    with pytest.raises(StepFailed) as failed:
        drilled(centre)
    assert (failed.value.code, "lets us in" in failed.value.why) == ("backup-not-restored", True)
    assert centre.done[-1] == "clear"


def test_a_scratch_database_that_stays_hides_nothing_of_why_the_drill_failed() -> None:
    centre, said = Centre(fail_at="compare"), list[str]()
    centre.stays = True
    with pytest.raises(StepFailed, match="planted"):
        drilled(centre, said)
    assert any("is not gone: pod still there" in line for line in said)


def test_a_scratch_database_that_stays_after_a_good_drill_is_a_failure() -> None:
    centre = Centre()
    centre.stays = True
    with pytest.raises(StepFailed, match="not gone"):
        drilled(centre)


@pytest.mark.parametrize("living", [{}, {"public.dossier": (0, 0)}])
def test_a_drill_that_could_compare_nothing_restores_nothing(living: dict[str, tuple[int, int]]) -> None:
    centre = Centre()
    centre.living = living
    with pytest.raises(StepFailed) as failed:
        drilled(centre)
    assert failed.value.code == "nothing-to-compare"
    assert centre.done == ["clear", "instant"]


def test_a_backup_that_does_not_come_up_is_given_up_and_removed() -> None:
    centre = Centre(restored_after=1_000)
    with pytest.raises(StepFailed) as failed:
        drilled(centre, seconds_max=60)
    assert (failed.value.code, "Setting up primary" in failed.value.why) == ("backup-not-restored", True)
    assert centre.done[-1] == "clear"


@pytest.mark.parametrize(
    ("back", "difference"),
    [
        ({"public.payment": (4, -3)}, "table public.payment: 5 rows, 4 in the backup"),
        ({"public.payment": (5, -4)}, "table public.payment: as many rows, other content"),
        ({"public.payment": None}, "table public.payment: missing in the backup"),
        ({"public.left": (0, 0)}, "table public.left: only in the backup"),
    ],
)
def test_what_differs_is_named(back: dict[str, Any], difference: str) -> None:
    assert drilled(Centre(**back)).differences == (difference,)


def test_every_figure_of_a_drill_says_its_unit_and_is_what_it_is_made_of() -> None:
    document = told(drilled(Centre()), catalogue().system("portal"))
    figures = {name: value for name, value in document.items() if isinstance(value, int | float)}
    assert {name for name in figures if not name.endswith("_seconds")} == {"tables", "rows"}
    assert figures["rto_seconds"] == figures["restored_seconds"] + figures["compared_seconds"] == 4.0
    assert figures["rpo_seconds"] == figures["archive_timeout_seconds"] + figures["archived_seconds"] == 304.0


def test_objectives_that_were_missed_are_told() -> None:
    system = catalogue().system("portal")
    found = drilled(Centre())
    assert told(found, system)["missed"] == []
    strict = system.objectives.model_copy(update={"rto": "3s", "rpo": "5m"})
    missed = told(found, system.model_copy(update={"objectives": strict}))["missed"]
    assert missed == ["objectives.rto is 3s; measured were 4 s", "objectives.rpo is 5m; measured were 304 s"]


def test_the_scratch_database_is_as_the_living_one_and_can_only_read_backups() -> None:
    keys = {"accessKeyId": {"name": "w", "key": "access_key"}, "secretAccessKey": {"name": "w", "key": "secret_key"}}
    place = {
        "destinationPath": "s3://b/",
        "endpointURL": "http://s3",
        "wal": {"compression": "gzip"},
        "data": {"compression": "gzip"},
        "s3Credentials": keys,
    }
    taint = {"key": "pool", "operator": "Equal", "value": "portal", "effect": "NoSchedule"}
    living = {
        "metadata": {"name": "portal-db"},
        "spec": {
            "instances": 3,
            "imageName": "r/postgresql:17",
            "storage": {"size": "10Gi", "storageClass": "kept"},
            "resources": {"limits": {"cpu": "2"}},
            "affinity": {"podAntiAffinityType": "required", "nodeSelector": {"pool": "portal"}, "tolerations": [taint]},
            "postgresql": {
                "parameters": {"max_connections": "100"},
                "pg_hba": ["hostnossl all all all reject"],
                "synchronous": {"method": "any", "number": 1},
            },
            "backup": {"barmanObjectStore": place},
            "managed": {"roles": [{"name": "dcshift_migration"}]},
        },
    }
    backup = TargetBackup(
        bucket="b",
        drill_namespace="dcshift-drills",
        restore_secret=SecretRef(namespace="dcshift-drills", name="reads", keys=["access_key", "secret_key"]),
    )
    made = scratch("portal", backup, living, NIGHT, INSTANT)
    spec = made["spec"]
    assert (made["metadata"]["namespace"], spec["instances"], "backup" in spec) == ("dcshift-drills", 1, False)
    assert spec["bootstrap"]["recovery"]["recoveryTarget"] == {
        "backupID": "20261124T010000",
        "targetLSN": "0/5000028",
        "exclusive": True,
    }
    (origin,) = spec["externalClusters"]
    store = origin["barmanObjectStore"]
    assert (store["serverName"], {one["name"] for one in store["s3Credentials"].values()}) == ("portal-db", {"reads"})
    # Whoever waits for a second copy would wait for ever beside one instance.
    alike = {"parameters": {"max_connections": "100"}, "pg_hba": ["hostnossl all all all reject"]}
    assert spec["postgresql"] == alike
    # Where the rows of that system may lie, and not beside instances of which there is one.
    assert spec["affinity"] == {"nodeSelector": {"pool": "portal"}, "tolerations": [taint]}
