"""The committed results are what a bench writes, and the docs show exactly them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench import results
from bench.infra import SIZES


def test_the_committed_results_speak_of_every_size() -> None:
    found = results.read()
    assert tuple(size.systems for size in found.sizes) == SIZES
    assert set(found.versions) == {"Python", "pulumi", "pulumi-kubernetes", "Kubernetes"}


def test_the_docs_show_the_committed_results() -> None:
    text = results.PAGE.read_text(encoding="utf-8")
    assert results.page(results.read(), text) == text, "make docs"


def test_resources_grow_with_the_systems() -> None:
    """Each system adds as much as the one before: what one more system costs is known."""
    first, *_, last = results.read().sizes
    middle = results.read().sizes[1]
    each = (last.resources - first.resources) / (last.systems - first.systems)
    assert middle.resources == first.resources + each * (middle.systems - first.systems)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda size: size | {"cpu_seconds": 1.0},
        lambda size: {key: value for key, value in size.items() if key != "peak_memory_bytes"},
        lambda size: size | {"empty_up_seconds": 0},
        lambda size: size | {"resources": "197"},
    ],
    ids=["one more", "one less", "nothing measured", "no number"],
)
def test_results_of_another_shape_are_refused(spoil: Any, tmp_path: Path) -> None:
    document = json.loads(results.FILE.read_text(encoding="utf-8"))
    document["sizes"][0] = spoil(document["sizes"][0])
    (tmp_path / "spoilt.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValidationError):
        results.read(tmp_path / "spoilt.json")


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the table"):
        results.page(results.read(), "# Benchmarks\n")
