"""What monitoring is told of drills is never better than what they found, wherever whoever writes it down dies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from migration.adapters.drill_record import EQUAL, LAST, DrillRecord


class Dead(BaseException):
    """Killed here."""


class Maps:
    """ConfigMaps of a cluster whose user dies after so many writings."""

    namespace = "drills"

    def __init__(self) -> None:
        self.held: dict[str, dict[str, str]] = {}
        self.left = 1_000

    def _write(self) -> None:
        if not self.left:
            raise Dead
        self.left -= 1

    def create(self, name: str, data: Mapping[str, str]) -> None:
        self._write()
        self.held[name] = dict(data)

    def merge(self, name: str, data: Mapping[str, str]) -> None:
        self._write()
        self.held.setdefault(name, {}).update(data)

    def read(self, name: str) -> dict[str, str] | None:
        return self.held.get(name)

    def delete(self, name: str) -> None:
        self._write()
        self.held.pop(name, None)


def found(at: int, *differences: str) -> dict[str, Any]:
    return {"at_epoch_seconds": at, "differences": list(differences)}


@pytest.mark.parametrize("died_after", range(5))
@pytest.mark.parametrize("differences", [(), ("table public.dossier: 3 rows, 2 in the backup",)], ids=["equal", "not"])
@pytest.mark.parametrize("before", [(), ("table a: missing in the backup",)], ids=["good before", "bad before"])
def test_a_drill_that_differed_has_its_mark_wherever_its_writer_died(
    died_after: int, differences: tuple[str, ...], before: tuple[str, ...]
) -> None:
    maps = Maps()
    record = DrillRecord("portal", maps.namespace, None)  # type: ignore[arg-type]
    record._maps = maps  # type: ignore[assignment]
    record.write(found(1, *before))
    maps.left = died_after
    with suppress(Dead):
        record.write(found(2, *differences))
    (name,) = {name for name, data in maps.held.items() if LAST in data}
    written = json.loads(maps.held[name][LAST])
    failed, equal = maps.held.get(f"{name}-failed"), maps.held.get(f"{name}-equal")
    if written["differences"]:
        assert failed is not None
    if equal is not None:
        assert json.loads(maps.held[name][EQUAL])["at_epoch_seconds"] >= int(equal["at_epoch_seconds"])
    if before and failed is None:
        assert (written["differences"], equal) == ([], {"at_epoch_seconds": "2"})
