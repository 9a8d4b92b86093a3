"""Citizens call lab addresses only; a lab that is down is refused, not looked for elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from lab.addresses import SOURCE_HOSTS, UPLINK_ROOT, UPLINK_ROOT_DEVICE
from lab.command import Completed
from lab.errors import LabError
from lab.traffic import reach


def route_by(monkeypatch: pytest.MonkeyPatch, device: str | None) -> None:
    told = json.dumps([{"dev": device}]) if device else ""

    def answered(argv: Sequence[str], *, check: bool) -> Completed:
        return Completed(tuple(argv), 0, told, "")

    monkeypatch.setattr(reach, "run", answered)


def test_loopback_is_called_from_loopback() -> None:
    assert reach.local_address("127.0.0.1:18443") == "127.0.0.1"


def test_a_lab_that_is_up_is_called_from_its_uplink(monkeypatch: pytest.MonkeyPatch) -> None:
    route_by(monkeypatch, UPLINK_ROOT_DEVICE)
    assert reach.local_address(SOURCE_HOSTS["edge1"]) == UPLINK_ROOT


@pytest.mark.parametrize("device", ["eth0", None])
def test_a_lab_that_is_down_is_refused(monkeypatch: pytest.MonkeyPatch, device: str | None) -> None:
    route_by(monkeypatch, device)
    with pytest.raises(LabError) as raised:
        reach.local_address(SOURCE_HOSTS["edge1"])
    assert raised.value.code == "traffic-leaves-the-lab"


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "dichvucong.khanhhoa.example"])
def test_any_other_address_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    route_by(monkeypatch, UPLINK_ROOT_DEVICE)
    with pytest.raises(LabError, match="must not call"):
        reach.local_address(address)
