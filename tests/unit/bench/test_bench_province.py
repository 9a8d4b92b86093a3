"""A province of many systems is one that the catalogue's own check has nothing to say against."""

from __future__ import annotations

import datetime
from pathlib import Path

from bench import province
from catalogue.load import examine, load

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
