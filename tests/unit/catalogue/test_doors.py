"""Zones, gates and limits: what cannot work is a fault, what is one door in truth a warning, each on its line."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue.load import examine, load
from catalogue.system import RateLimit
from tests.unit.catalogue.everything import EXAMPLE, dumped

NOW = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)
OWN_DOOR = {"gateway_class": "inside", "gateway_address": "192.0.2.30"}
Document = dict[str, Any]


def folder(tmp_path: Path, *, target: Document | None = None, portal: Document | None = None) -> Path:
    """Write the example with another target and another portal; its feedback stays as it is, open to the internet."""
    for source in EXAMPLE.glob("*.yaml"):
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
        if source.stem == "province":
            content["target"] |= target or {}
        if source.stem == "portal":
            content |= portal or {}
        (tmp_path / source.name).write_text(dumped(content), encoding="utf-8")
    return tmp_path


def portal(**changed: Any) -> Document:
    content: Document = yaml.safe_load((EXAMPLE / "portal.yaml").read_text(encoding="utf-8"))
    return content | changed


def elsewhere(**changed: Any) -> Document:
    """The portal behind a gate of its own."""
    content = portal(**changed)
    return content | {"source": {**content["source"], "traffic": {"host": "app1", "site": "portal"}}}


def told(kind: str, where: Path) -> list[str]:
    return [each.sentence for each in getattr(examine(where, NOW), kind)]


def test_the_example_has_one_door_and_says_nothing_of_it(tmp_path: Path) -> None:
    assert told("faults", folder(tmp_path)) == told("warnings", folder(tmp_path)) == []


@pytest.mark.parametrize(
    ("zones", "same"),
    [
        ({}, "gateway_class and gateway_address"),
        ({"internal": {**OWN_DOOR, "gateway_address": "192.0.2.10"}}, "gateway_address"),
        ({"internal": {**OWN_DOOR, "gateway_class": "traefik"}}, "gateway_class"),
    ],
    ids=["nothing said", "one address", "one class"],
)
def test_two_zones_with_one_door_are_told(zones: Document, same: str, tmp_path: Path) -> None:
    where = folder(tmp_path, target={"zones": zones}, portal=elsewhere(exposure="internal"))
    (sentence,) = told("warnings", where)
    assert sentence.startswith(f"zones internal and internet have the same {same}: to the network they are one door")


def test_two_doors_are_not_told_and_each_system_has_its_own(tmp_path: Path) -> None:
    where = folder(tmp_path, target={"zones": {"internal": OWN_DOOR}}, portal=elsewhere(exposure="internal"))
    assert told("faults", where) == told("warnings", where) == []
    target = load(where).province.target
    assert target.zone("internal").gateway_address == "192.0.2.30"
    assert target.zone("internet").gateway_address == target.zone("government-network").gateway_address == "192.0.2.10"


def test_a_zone_that_no_system_uses_is_told(tmp_path: Path) -> None:
    (sentence,) = told("warnings", folder(tmp_path, target={"zones": {"internal": OWN_DOOR}}))
    assert sentence.startswith("zone internal has no system")


def test_two_addresses_behind_one_gate_are_refused(tmp_path: Path) -> None:
    changed = portal(exposure="internal")
    where = folder(tmp_path, target={"zones": {"internal": OWN_DOOR}}, portal=changed)
    (sentence,) = told("faults", where)
    assert sentence.startswith("source.traffic.host 'edge1' serves 'feedback' (internet) too")


def test_a_systems_limit_needs_the_provinces_and_is_then_its_own(tmp_path: Path) -> None:
    content = portal()
    limited = content | {"web": {**content["web"], "rate_limit": {"average": 30, "burst": 60}}}
    (sentence,) = told("faults", folder(tmp_path, target={"rate_limit": None}, portal=limited))
    assert sentence.startswith("web.rate_limit needs target.rate_limit")
    found = load(folder(tmp_path, portal=limited))
    target = found.province.target
    assert target.rate_limit_of(found.system("portal")) == RateLimit(average=30, burst=60)
    assert target.rate_limit_of(found.system("feedback")) == target.rate_limit == RateLimit(average=200, burst=400)


def test_a_limit_that_our_own_proofs_would_break_is_refused(tmp_path: Path) -> None:
    # Of the portal's 11 pages alone: feedback has 4.
    (sentence,) = told("faults", folder(tmp_path, target={"rate_limit": {"average": 20, "burst": 29}}))
    assert sentence == "web.pages make a deployment ask 39 times in a row; as one client it has 29 (burst)"


def test_a_burst_larger_than_what_is_forgotten_is_refused(tmp_path: Path) -> None:
    (sentence,) = told("faults", folder(tmp_path, target={"rate_limit": {"average": 5, "burst": 11}}))
    assert "burst may be 2 times the average at most" in sentence
