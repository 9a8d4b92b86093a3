"""The engine follows from facts, each reason alone is enough, and all of them are said."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from migration.movers.engines import LOGICAL, PHYSICAL, MoveFacts, engine_for

FITS = MoveFacts(True, "x86_64", "x86_64", 15, 18, (), (), (), 2 << 30)


def test_a_whole_server_to_a_host_of_its_kind_goes_by_its_files() -> None:
    assert engine_for(FITS) == (
        PHYSICAL,
        "the whole server moves to a host of its kind: 2,147,483,648 bytes go as files",
    )


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"target_is_host": False}, "no PostgreSQL host"),
        ({"target_machine": "aarch64"}, "files of x86_64 mean nothing to aarch64"),
        ({"source_major": 12}, "12 is older than 13"),
        ({"target_major": 14}, "14 is older than 15"),
        ({"left_behind": ("archive",)}, "stays behind: archive"),
        ({"tablespaces": ("fast",)}, "tablespaces outside of its folder: fast"),
        ({"subscriptions": ("s",)}, "subscribes elsewhere: s"),
        ({"size_bytes": 1_000}, "1,000 bytes are copied row by row sooner"),
    ],
)
def test_each_reason_alone_makes_it_row_by_row(changed: dict[str, Any], why: str) -> None:
    engine, sentence = engine_for(dataclasses.replace(FITS, **changed))
    assert engine == LOGICAL
    assert why in sentence
    assert ";" not in sentence


def test_all_reasons_are_said() -> None:
    everything = MoveFacts(False, "x86_64", "ppc64le", 12, 11, ("a",), ("b",), ("c",), 1)
    assert len(engine_for(everything)[1].split("; ")) == 8
