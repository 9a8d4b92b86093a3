"""What the gate's own words say about a release; an answer of "not done" would let the freeze be undone."""

from __future__ import annotations

import pytest

from migration.adapters.gate_tool import GateStatus, SiteStatus
from migration.adapters.traffic import GateMove
from migration.model.words import ProbeState


def judged(state: str, decided: str, wanted: str, stray: int = 0) -> ProbeState:
    site = SiteStatus(
        state=state,
        decided=decided,
        waiting=0,
        waited=0,
        longest_wait_seconds=0,
        under_way={"source": 0},
        requests_since_switch={},
    )
    status = GateStatus(sites={"s": site}, direct_connections=stray, hold_seconds_max=30, haproxy="2.2")
    traffic = object.__new__(GateMove)
    traffic._site, traffic._edge = "s", "edge1"
    return traffic._judge(status, wanted).state


@pytest.mark.parametrize(
    ("state", "decided", "wanted", "stray", "expected"),
    [
        ("target", "target", "target", 0, ProbeState.DONE),
        ("target", "target", "target", 3, ProbeState.DONE),
        ("hold", "target", "target", 0, ProbeState.UNKNOWN),
        ("target", "hold", "target", 0, ProbeState.UNKNOWN),
        ("hold", "hold", "target", 0, ProbeState.NOT_DONE),
        ("hold", "hold", "hold", 0, ProbeState.DONE),
        ("hold", "hold", "hold", 1, ProbeState.NOT_DONE),
        ("source", "hold", "hold", 0, ProbeState.NOT_DONE),
    ],
)
def test_a_release_is_never_said_undone_once_somebody_may_have_passed(
    state: str, decided: str, wanted: str, stray: int, expected: ProbeState
) -> None:
    assert judged(state, decided, wanted, stray) is expected
