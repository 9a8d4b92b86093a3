"""Rules between files, with the province, its norms and the day; each fault on the line where people mend it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue import demand, norms, rules
from catalogue.load import CatalogueError, examine, load
from catalogue.province import Blackout, Holiday
from catalogue.system import mebibytes
from infra import sizes
from tests.unit.catalogue.everything import EXAMPLE, dumped

NOW = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)
_ENDPOINT = {"id": "ndxp", "name": {"vi": "Nền tảng", "en": "Platform"}, "host": "ndxp.example"}


def _folder(tmp_path: Path, **changes: dict[str, Any]) -> Path:
    """Write the example with other values: `portal={"web.replicas": 2}`; one field a line."""
    for source in EXAMPLE.glob("*.yaml"):
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
        for dotted, value in changes.get(source.stem, {}).items():
            *way, last = dotted.split(".")
            inner = content
            for step in way:
                inner = inner[step]
            inner[last] = value
        (tmp_path / source.name).write_text(dumped(content), encoding="utf-8")
    return tmp_path


def _found(kind: str, folder: Path, now: datetime.datetime = NOW) -> list[tuple[str, str, str]]:
    """Return file, text of the line and sentence of every fault or warning."""
    return [
        (
            Path(each.file).stem,
            Path(each.file).read_text(encoding="utf-8").splitlines()[each.line - 1].strip(),
            each.sentence,
        )
        for each in getattr(examine(folder, now), kind)
    ]


@pytest.mark.parametrize(
    ("changes", "file", "line", "sentence"),
    [
        ({"portal": {"integrations": ["feedback"]}}, "portal", "- feedback", "not declared on its other end"),
        ({"portal": {"integrations": ["portal"]}}, "portal", "- portal", "'portal' is the system itself"),
        ({"portal": {"integrations": ["ndxp"]}}, "portal", "- ndxp", "nor a national endpoint"),
        ({"portal": {"integrations": ["feedback", "feedback"]}}, "portal", "integrations:", "names feedback twice"),
        ({"feedback": {"level": 1}}, "feedback", "level: 1", "keeps personal data: level 2 at least"),
        (
            {
                "feedback": {"level": 1, "data.classes": ["public"], "integrations": ["portal"]},
                "portal": {"integrations": ["feedback"]},
            },
            "feedback",
            "level: 1",
            "'portal', which it integrates with, keeps personal data",
        ),
        ({"portal": {"objectives.rpo": "4m"}}, "portal", "rpo: 4m", "level 3 may lose up to 300 s"),
        ({"feedback": {"objectives.rpo": "23h"}}, "feedback", "rpo: 23h", "level 2 may lose up to 86400 s"),
        ({"portal": {"level": 5}}, "portal", "level: 5", "needs a cluster of its own"),
        (
            {"portal": {"quota": {"cpu": 1, "memory": "1Gi", "storage": "10Gi"}}},
            "portal",
            "quota:",
            "reserve 3008Mi of memory where there is 1024Mi",
        ),
        ({"portal": {"decision.expires": datetime.date(2026, 2, 28)}}, "portal", "expires: 2026-02-28", "before it"),
        ({"portal": {"files": [{"name": "uploads", "kind": "bucket", "storage": "5Gi"}]}}, "portal", "- name: uploads",
         "a bucket has none"),
        ({"portal": {"files": [{"name": "uploads", "kind": "volume", "storage": "5Gi", "kept_days": 9}]}}, "portal",
         "kept_days: 9", "a volume keeps nothing that was overwritten"),
        ({"portal": {"files": [{"name": "uploads", "kind": "volume"}]}}, "portal", "- name: uploads",
         "a volume needs storage"),
        ({"province": {"national_endpoints": [_ENDPOINT, _ENDPOINT]}}, "province", "- id: ndxp", "given twice"),
        ({"province": {"norms": "vn-1999"}}, "province", "norms: vn-1999", "there are vn-2016, vn-2026"),
        (
            {"province": {"blackouts": [{"name": "election", "first": datetime.date(2027, 2, 6),
                                         "last": datetime.date(2027, 2, 5)}]}},
            "province",
            "- name: election",
            "before it begins",
        ),
    ],
)  # fmt: skip
def test_a_rule_between_files_names_the_line(
    tmp_path: Path, changes: dict[str, Any], file: str, line: str, sentence: str
) -> None:
    folder = _folder(tmp_path, **changes)
    assert [each for each in _found("faults", folder) if each[:2] == (file, line) and sentence in each[2]]
    with pytest.raises(CatalogueError, match=sentence[:20]):
        load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"portal": {"objectives.rpo": "5m"}, "feedback": {"objectives.rpo": "1d"}},
        {"portal": {"quota": "small"}, "feedback": {"quota": "small"}},
        {"portal": {"integrations": ["feedback"]}, "feedback": {"integrations": ["portal"]}},
        {"portal": {"integrations": ["ndxp"]}, "province": {"national_endpoints": [_ENDPOINT]}},
        {"province": {"norms": "vn-2026"}},
        {"feedback": {"level": 1, "data.classes": ["public"]}},
    ],
)
def test_what_the_rules_allow(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = _folder(tmp_path, **changes)
    assert _found("faults", folder) == []
    assert len(load(folder).systems) == 2


def test_a_system_of_level_five_alone_has_its_cluster_to_itself(tmp_path: Path) -> None:
    folder = _folder(tmp_path, portal={"level": 5})
    (folder / "feedback.yaml").unlink()
    assert load(folder).controls(load(folder).system("portal")).own_cluster


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"province": {"capacity.storage": "14Gi"}}, "systems reserve 15360Mi of storage where there is 14336Mi"),
        ({"province": {"capacity.memory": "4Gi"}}, "systems reserve 5568Mi of memory where there is 4096Mi"),
        ({"portal": {"quota": "large"}}, "quotas add up to 16000m of CPU where there is 8000m"),
    ],
)
def test_too_small_a_capacity_is_a_fault_of_check_but_stops_no_other_command(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    folder = _folder(tmp_path, **changes)
    found = _found("faults", folder)
    assert [each for each in found if each[:2] == ("province", "capacity:") and sentence in each[2]]
    assert load(folder).province.id == "khanhhoa"


def test_a_capacity_that_holds_the_files_but_not_the_norms_is_a_warning(tmp_path: Path) -> None:
    folder = _folder(tmp_path, province={"capacity.storage": "39Gi"})
    assert _found("faults", folder) == []
    [(file, line, sentence)] = _found("warnings", folder)
    assert (file, line) == ("province", "capacity:")
    # 3 instances of 10Gi at level 3 and 2 of 5Gi at level 2.
    assert "vn-2016 asks for: 40960Mi of storage where there is 39936Mi" in sentence


def test_a_service_of_the_nation_without_addresses_is_a_warning(tmp_path: Path) -> None:
    names = {"portal": {"integrations": ["feedback", "ndxp"]}, "feedback": {"integrations": ["portal"]}}
    (warned,) = _found("warnings", _folder(tmp_path, **names, province={"national_endpoints": [_ENDPOINT]}))
    assert warned[:2] == ("portal", "- ndxp")
    assert "is cut off: province.yaml names no addresses" in warned[2]
    reached = {"national_endpoints": [_ENDPOINT | {"addresses": ["203.0.113.77"]}]}
    assert _found("warnings", _folder(tmp_path, **names, province=reached)) == []


@pytest.mark.parametrize(
    ("day", "kind", "sentence"),
    [
        (datetime.datetime(2028, 3, 1, 16, 59, tzinfo=datetime.UTC), "warnings", "ends in 0 days"),
        (datetime.datetime(2028, 3, 1, 17, 0, tzinfo=datetime.UTC), "faults", "ended on 2028-03-01"),
        (datetime.datetime(2027, 12, 2, 10, tzinfo=datetime.UTC), "warnings", "ends in 90 days"),
    ],
    ids=["the last minute in Vietnam", "a minute later", "ninety days before"],
)
def test_a_decision_warns_for_ninety_days_and_then_is_a_fault(day: datetime.datetime, kind: str, sentence: str) -> None:
    found = _found(kind, EXAMPLE, day)
    assert [each[0] for each in found] == ["feedback", "portal"]
    assert all(sentence in each[2] and "expires: 2028-03-01" in each[1] for each in found)


def test_the_day_before_the_ninety_days_is_quiet_and_an_ended_decision_leaves_the_way_back() -> None:
    quiet = examine(EXAMPLE, datetime.datetime(2027, 12, 1, 10, tzinfo=datetime.UTC))
    assert (quiet.faults, quiet.warnings) == ((), ())
    ended = examine(EXAMPLE, datetime.datetime(2029, 1, 1, tzinfo=datetime.UTC))
    assert ended.faults
    assert ended.catalogue == load(EXAMPLE)


def test_which_days_are_closed() -> None:
    day = datetime.date(2027, 2, 6)
    province = load(EXAMPLE).province.model_copy(
        update={
            "holidays": [Holiday(name="Tết", date=day)],
            "blackouts": [Blackout(name="election", first=day.replace(day=10), last=day.replace(day=12))],
        }
    )
    closed = {number: province.closed_on(day.replace(day=number)) for number in range(5, 14)}
    assert closed == {5: None, 6: "Tết", 7: None, 8: None, 9: None} | dict.fromkeys((10, 11, 12), "election") | {
        13: None
    }


def test_the_catalogue_counts_what_the_declared_centre_asks_for() -> None:
    for counted, asked in (
        (demand.WEB, sizes.WEB),
        (demand.JOB, sizes.JOB),
        (demand.SCHEMA, sizes.SCHEMA),
        (demand.DATABASE, sizes.DATABASE),
        (demand.POOLER, sizes.POOLER),
    ):
        assert (counted.cpu, counted.memory) == (asked.cpu_request, asked.memory_request)
    for system in load(EXAMPLE).systems:
        asked = sizes.app(system, system.web.replicas) + sizes.data(1, 1 if system.database.pooler else 0)
        counted = demand.of_system(system)
        assert (counted.cpu, counted.memory) == (asked.cpu_request, asked.memory_request)
        assert counted.storage == mebibytes(system.database.storage)


def test_the_norms_of_a_level_are_what_a_catalogue_hands_on() -> None:
    catalogue = load(EXAMPLE)
    assert catalogue.controls(catalogue.system("portal")) == norms.controls(norms.named("vn-2016"), 3)
    assert rules.rpo_seconds(norms.controls(norms.named("vn-2016"), 1)) == 168 * 3600


_WORKER: dict[str, Any] = {
    "portal": {
        "workers": [{"name": "x", "command": ["x"], "alive": ["y"]}],
        "source.workers": {"x": {"host": "app1", "service": "x.service"}},
    }
}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"province": {"norms": "vn-2016", "holidays": [], "national_endpoints": []}}, True),
        ({"portal": {"database.extensions": ["pg_trgm"], "quota": None}}, True),
        ({"province": {"norms": "vn-2026"}}, False),
        ({"portal": {"objectives.rpo": "1h"}}, False),
        ({"portal": {"quota": "medium"}}, False),
        ({"portal": {"database.pooler": "transaction"}}, False),
        (_WORKER, False),
        ({"portal": {"source.files.uploads.left_behind": []}}, True),
        ({"portal": {"source.files.uploads.left_behind": ["*.sock"]}}, False),
        ({"portal": {"files": [{"name": "uploads", "kind": "bucket", "kept_days": 30}]}}, True),
        ({"portal": {"files": [{"name": "uploads", "kind": "bucket", "kept_days": 31}]}}, False),
        ({"province": {"target.zones": {}}, "portal": {"web.rate_limit": None}}, True),
        ({"province": {"target.rate_limit": {"average": 200, "burst": 400}}}, False),
        ({"province": {"target.zones": {"internal": {"gateway_class": "a", "gateway_address": "10.0.0.9"}}}}, False),
    ],
)
def test_a_field_that_came_later_counts_in_the_hash_only_where_it_is_written(
    tmp_path: Path, changes: dict[str, Any], same: bool
) -> None:
    # The committed hash is that of the example without those fields.
    before = "1d19f98502a43b7f4746583f35b439825d7e90815ba3e2a33aa580a566fb4105"
    province = {"security_log": None, "target.certificates": None, "target.rate_limit": None}
    changes = {
        **changes,
        "province": {**province, **changes.get("province", {})},
        "portal": {"database.pooler": None, "workers": [], "source.workers": {}, **changes.get("portal", {})},
    }
    assert (load(_folder(tmp_path, **changes)).hash == before) == same
