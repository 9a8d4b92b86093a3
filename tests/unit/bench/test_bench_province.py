"""A province of many systems is one that the catalogue's own check has nothing to say against."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from bench import province
from catalogue.load import examine, load
from infra import order
from infra.config import CATALOGUE_VARIABLE
from infra.render.declared import build

DAY = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)


def test_thirty_systems_are_a_province_without_fault_or_warning(tmp_path: Path) -> None:
    province.write(tmp_path, 30)
    found = examine(tmp_path, DAY)
    assert (found.faults, found.warnings) == ((), ())
    assert found.catalogue
    assert [system.id for system in found.catalogue.systems] == province.system_ids(30)
    assert not found.catalogue.province.is_lab


def test_one_change_gives_one_system_more_pods_than_its_level_asks_for(tmp_path: Path) -> None:
    province.write(tmp_path, 3)
    before = load(tmp_path)
    province.more_replicas(tmp_path, "s02")
    after = load(tmp_path)
    changed = [b.id for b, a in zip(before.systems, after.systems, strict=True) if a != b]
    assert changed == ["s02"]
    system = after.system("s02")
    assert system.web.replicas > after.controls(system).replicas_min


def test_each_system_declares_as_many_objects_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples differ; if their copies did, no size would say what one system more costs."""
    province.write(tmp_path, 2)
    monkeypatch.setenv(CATALOGUE_VARIABLE, str(tmp_path))
    one, other = province.system_ids(2)

    def count(system: str) -> int:
        shared = [each for stack in ("platform", "data") for each in _objects(stack, tmp_path)]
        own = [each for stack in (order.ground(system), system) for each in _objects(stack, tmp_path)]
        return len([each for each in shared if system in each]) + len(own)

    assert count(one) == count(other) > 50


def _objects(stack: str, folder: Path) -> list[str]:
    return [each.identity for each in build(stack, province.settings(stack, folder)).objects]


def test_the_centre_and_each_system_have_all_that_they_may_have(tmp_path: Path) -> None:
    province.write(tmp_path, 2)
    found = load(tmp_path)
    target = found.province.target
    assert found.province.security_log and found.province.security_log.national
    assert target.certificates and target.rate_limit
    for system in found.systems:
        assert system.database.pooler and system.workers and system.jobs and system.files, system.id
