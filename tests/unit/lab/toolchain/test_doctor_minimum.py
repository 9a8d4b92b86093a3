"""The machine that the README asks for is enough for `dcshift doctor`."""

from __future__ import annotations

import os
from collections import namedtuple

import pytest

from lab.toolchain import doctor

_GIB = 2**30


@pytest.mark.parametrize(("shown_gib", "enough"), [(7.7, True), (6.5, False)])
def test_a_machine_of_eight_gib_shows_less_and_is_enough(
    monkeypatch: pytest.MonkeyPatch, shown_gib: float, enough: bool
) -> None:
    sizes = {"SC_PHYS_PAGES": int(shown_gib * _GIB / 4096), "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", lambda name: sizes[name])
    assert doctor._memory().ok is enough


@pytest.mark.parametrize(("built", "free_gib", "enough"), [(True, 12, True), (False, 12, False), (False, 36, True)])
def test_more_disk_is_wanted_while_tools_are_still_to_be_built(
    monkeypatch: pytest.MonkeyPatch, built: bool, free_gib: int, enough: bool
) -> None:
    usage = namedtuple("usage", "total used free")(0, 0, free_gib * _GIB)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(doctor, "missing", lambda: [] if built else ["pulumi"])
    assert doctor._disk().ok is enough
