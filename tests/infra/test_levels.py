"""One system at every level and exposure, against committed manifests: the lowest whole, the others by what differs."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.render.representative import EXPOSURES, PLACES, Place, documents
from tests.support.differences import Facts, changed, changes, facts, readable, sentences

GOLDEN = Path(__file__).parent / "golden" / "levels"
WHOLE, STEPS = GOLDEN / "level-1-internal.yaml", GOLDEN / "changes.yaml"
REFRESH = "if that is meant: DCSHIFT_GOLDEN=write .venv/bin/pytest tests/infra/test_levels.py"
FIRST = Place(1, "internal")


def before(place: Place) -> Place:
    """Return the place that another is told from: its level inside, or from there the level below."""
    return Place(place.level - 1, "internal") if place.exposure == "internal" else Place(place.level, "internal")


def ordered() -> Iterator[Place]:
    """Yield every place but the first, each after the one that it is told from."""
    for level in sorted({place.level for place in PLACES}):
        for exposure in sorted(EXPOSURES, key=lambda word: (word != "internal", word)):
            if (place := Place(level, exposure)) != FIRST:
                yield place


@functools.cache
def found(place: Place) -> Facts:
    return facts(documents(place))


@pytest.fixture(scope="module", autouse=True)
def _refreshed() -> None:
    if os.environ.get("DCSHIFT_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        whole = [readable(document) for document in documents(FIRST)]
        WHOLE.write_text(_yaml(whole, many=True), encoding="utf-8")
        steps = {
            str(place): {"from": str(before(place)), "changes": changes(found(before(place)), found(place))}
            for place in ordered()
        }
        STEPS.write_text(_yaml(steps), encoding="utf-8")


def _yaml(content: Any, *, many: bool = False) -> str:
    options: Any = {"sort_keys": False, "allow_unicode": True, "width": 120, "Dumper": _Plain}
    return yaml.dump_all(content, **options) if many else yaml.dump(content, **options)


class _Plain(yaml.SafeDumper):
    """As yamllint wants it, and every value in its place."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


@functools.cache
def expected(place: Place) -> Facts:
    if place == FIRST:
        return facts(yaml.safe_load_all(WHOLE.read_text(encoding="utf-8")))
    return changed(expected(before(place)), _steps()[str(place)]["changes"])


@functools.cache
def _steps() -> Any:
    return yaml.safe_load(STEPS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_system_of_every_level_and_exposure_is_what_was_reviewed(place: Place) -> None:
    wrong = sentences(expected(place), found(place))
    assert not wrong, "\n".join([f"{place} differs; {REFRESH}", *wrong])


def test_the_reviewed_pages_speak_of_every_place_and_are_short_enough_to_be_read() -> None:
    assert _steps().keys() == {str(place) for place in ordered()}
    assert {row["from"] for row in _steps().values()} <= {str(place) for place in PLACES}
    assert WHOLE.stat().st_size + STEPS.stat().st_size < 300_000


def test_a_difference_names_the_object_the_field_and_both_values() -> None:
    spoilt = documents(Place(3, "internet"))
    quota = next(each for each in spoilt if each["kind"] == "ResourceQuota")
    other = {**quota, "spec": {"hard": {**quota["spec"]["hard"], "pods": "999"}}}
    told = sentences(expected(Place(3, "internet")), facts([other if each is quota else each for each in spoilt]))
    assert told == [
        f"ResourceQuota httt-portal-app/quota spec.hard.pods: golden {quota['spec']['hard']['pods']!r}, now '999'"
    ]
