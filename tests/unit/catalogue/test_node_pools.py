"""A system stands in its own pool of nodes, or its exposure's where the level asks; only in what is declared."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest

from catalogue import node_pools, norms, unanswered
from catalogue.load import Catalogue, examine, load
from tests.unit.catalogue.everything import EXAMPLE, province, write

LAW = norms.named("vn-2016")
NOW = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)


def centre(pools: list[str]) -> Catalogue:
    found = load(EXAMPLE)
    target = found.province.target.model_copy(update={"node_pools": pools})
    return dataclasses.replace(found, province=found.province.model_copy(update={"target": target}))


@pytest.mark.parametrize(
    ("level", "pools", "pool", "met"),
    [
        (2, ["internet"], None, "shared"),
        (3, ["internet"], "internet", "exposure"),
        (3, ["internal"], None, "shared"),
        (4, ["internet"], "internet", "exposure"),
        (4, ["internet", "portal"], "portal", "dedicated"),
        (1, ["portal"], "portal", "dedicated"),
        (5, [], None, "shared"),
    ],
)
def test_the_pool_of_a_system_is_as_strict_as_what_is_declared(
    level: int, pools: list[str], pool: str | None, met: str
) -> None:
    made, asked = centre(pools), norms.controls(LAW, level)
    portal = made.system("portal")
    assert node_pools.pool(portal, asked, made.province.target) == pool
    assert node_pools.met(portal, asked, made.province.target) == met
    # A system of level 4 in its exposure's pool is told what is still missing.
    vain = [each for each in unanswered.of(asked, made.province, portal) if each.startswith("node-pool")]
    wanted = {1: "shared", 2: "shared", 3: "exposure"}.get(level, "dedicated")
    order = ("shared", "exposure", "dedicated")
    assert vain == ([f"node-pool {wanted}"] if order.index(met) < order.index(wanted) else [])


def test_in_a_lab_a_level_asks_for_no_pool() -> None:
    made = centre(["internet"])
    assert node_pools.pool(made.system("portal"), None, made.province.target) is None


@pytest.mark.parametrize(
    ("pools", "sentence"),
    [
        (["internet", "portal", "internet"], "node pool 'internet' is given twice"),
        (["portla"], "node pool 'portla' is neither a system nor an exposure (internet, government-network, internal)"),
    ],
)
def test_a_pool_that_means_nothing_is_a_fault_on_its_line(tmp_path: Path, pools: list[str], sentence: str) -> None:
    content = province()
    content["target"]["node_pools"] = pools
    folder = write(tmp_path / "faulty", province_file=content)
    (fault,) = [each for each in examine(folder, NOW).faults if "node pool" in each.sentence]
    assert fault.sentence == sentence
    line = (folder / "province.yaml").read_text(encoding="utf-8").splitlines()[fault.line - 1]
    assert line.strip() == f"- {pools[-1]}"
