"""The engine follows from facts, each reason alone is enough, and all of them are said."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from migration.movers.engines import LOGICAL, PHYSICAL, MoveFacts, engine_for, forbidding

FITS = MoveFacts(None, 15, 18, 2 << 30, "x86_64", "x86_64")
SMALL = {"size_bytes": 1_000}


def test_a_whole_server_to_a_host_of_its_kind_goes_by_its_files() -> None:
    assert engine_for(FITS) == (
        PHYSICAL,
        "the whole server moves to a host of its kind: 2,147,483,648 bytes go as files",
    )


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"cluster": "portal-db"}, "the CloudNativePG cluster portal-db, into which its operator alone"),
        ({"target_machine": "aarch64"}, "files of x86_64 mean nothing to aarch64"),
        ({"source_major": 12}, "12 is older than 13"),
        ({"target_major": 14}, "14 is older than 15"),
        ({"left_behind": ("archive",)}, "stays behind: archive"),
        ({"tablespaces": ("fast",)}, "tablespaces outside of its folder: fast"),
        ({"subscriptions": ("s",)}, "subscribes elsewhere: s"),
        (SMALL, "1,000 bytes are copied row by row sooner"),
    ],
)
def test_each_reason_alone_makes_it_row_by_row(changed: dict[str, Any], why: str) -> None:
    engine, sentence = engine_for(dataclasses.replace(FITS, **changed))
    assert engine == LOGICAL
    assert why in sentence
    assert ";" not in sentence
    # Whoever orders it gets a small database by its files too; nothing else can be obeyed.
    assert forbidding(dataclasses.replace(FITS, **changed)) == ([] if changed == SMALL else [sentence])


def test_all_reasons_are_said() -> None:
    everything = MoveFacts("portal-db", 12, 11, 1, "x86_64", "ppc64le", ("a",), ("b",), ("c",))
    assert len(engine_for(everything)[1].split("; ")) == 8
    assert len(forbidding(everything)) == 7


def test_what_is_not_known_speaks_for_nothing() -> None:
    assert engine_for(MoveFacts(None, 15, 18, 2 << 30))[0] == PHYSICAL


def test_an_order_is_obeyed_and_said_with_what_would_have_been_chosen() -> None:
    assert engine_for(FITS, PHYSICAL) == engine_for(FITS)
    engine, sentence = engine_for(FITS, LOGICAL)
    assert engine == LOGICAL
    assert sentence == f"ordered so; by itself it would be physical: {engine_for(FITS)[1]}"
    small = dataclasses.replace(FITS, **SMALL)
    assert engine_for(small, PHYSICAL)[1].startswith("ordered so; by itself it would be logical: 1,000 bytes")
