"""The pages that are made from what the stacks declare are current, and leave nothing out."""

from __future__ import annotations

import copy
import re
from dataclasses import astuple
from typing import Any

import pytest

from catalogue import demand, norms
from catalogue.load import load
from catalogue.system import mebibytes
from infra.reference import components, sizing
from infra.reference.__main__ import DOCS
from infra.render import footprint
from infra.render.footprint import Amount
from infra.render.representative import EXAMPLE, EXPOSURES, SYSTEM, Place, documents

COMPONENTS = DOCS / components.FOLDER


def test_the_pages_of_components_are_current_and_there_is_none_of_one_that_is_no_more() -> None:
    files = [DOCS / components.INDEX, *COMPONENTS.glob("*.md")]
    there = {file.relative_to(DOCS).as_posix(): file.read_text(encoding="utf-8") for file in files}
    assert components.pages() == there, "make docs"


def test_every_component_has_a_page_with_every_argument_and_what_it_means() -> None:
    told = {file.stem: file.read_text(encoding="utf-8") for file in COMPONENTS.glob("*.md")}
    assert told.keys() == {kind.__name__ for kind in components.found()}
    index = (DOCS / components.INDEX).read_text(encoding="utf-8")
    for kind in components.found():
        row = re.search(
            rf"^\| \[{kind.__name__}\]\(components/{kind.__name__}\.md\) \| .+ \| (.+) \|$", index, re.MULTILINE
        )
        assert row and row[1].endswith("."), f"the index does not say what {kind.__name__} is"
        assert told[kind.__name__].startswith(f"# {kind.__name__}\n")
        for argument in components.arguments(kind):
            assert argument.meaning.endswith("."), f"{kind.__name__}Args.{argument.name} has no sentence below it"
            assert f"| `{argument.name}` |" in told[kind.__name__]
        assert re.search(r"^Declares: \w+", told[kind.__name__], re.MULTILINE), kind


def test_the_page_of_sizes_is_current() -> None:
    assert sizing.page() == (DOCS / "sizing.md").read_text(encoding="utf-8"), "make docs"


@pytest.mark.parametrize("level", norms.LEVELS)
def test_what_is_rendered_is_what_the_catalogue_counts_against_the_capacity(level: int) -> None:
    """Two ways to one sum: from the manifests, and from the file and the norms before anything is built."""
    system, law = load(EXAMPLE).system(SYSTEM), norms.named("vn-2016")
    counted = demand.of_system(system, norms.controls(law, level))
    taken = footprint.of(documents(Place(level, "internal")))
    assert astuple(taken.reserved_max) == (counted.cpu, counted.memory)
    assert taken.storage == counted.storage == taken.storage_max - mebibytes(system.database.storage)
    assert (taken.jobs, taken.buckets) == (len(system.jobs), len(system.files))


def test_the_exposure_changes_nothing_that_is_taken() -> None:
    assert len({footprint.of(documents(Place(3, exposure))) for exposure in EXPOSURES}) == 1


@pytest.mark.parametrize(
    ("kind", "path", "value", "field", "by"),
    [
        ("HorizontalPodAutoscaler", ("minReplicas",), 5, "reserved", Amount(150, 768)),
        ("Cluster", ("instances",), 4, "reserved", Amount(100, 384)),
        ("Cluster", ("instances",), 4, "storage", 10240),
        ("ResourceQuota", ("hard", "requests.cpu"), "2", "reserved_max", Amount(1530, 0)),
        ("ResourceQuota", ("hard", "limits.memory"), "16Gi", "used_max", Amount(0, 6144)),
        ("ResourceQuota", ("hard", "pods"), "100", "pods_max", 87),
    ],
)
def test_every_sum_follows_the_manifests(kind: str, path: tuple[str, ...], value: Any, field: str, by: Any) -> None:
    before = documents(Place(3, "internal"))
    after = copy.deepcopy(before)
    spec = next(each for each in after if each["kind"] == kind)["spec"]
    for name in path[:-1]:
        spec = spec[name]
    spec[path[-1]] = value
    was, now = getattr(footprint.of(before), field), getattr(footprint.of(after), field)
    assert now == was + by


def test_a_system_without_its_autoscaler_has_no_footprint() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        footprint.of(each for each in documents(Place(1, "internal")) if each["kind"] != "HorizontalPodAutoscaler")
