"""A host on which whatever is asked ends well, says nothing and does nothing: no step believes it, no probe.

This is what a lying sudo, sh, ssh or dcshift-gate looks like from here; the programs inside our scripts lie one by one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from migration.adapters.access_log import AccessLog
from migration.adapters.database_freeze import unfence_on_its_host
from migration.adapters.gate_tool import GateTool
from migration.adapters.site_check import SiteCheck
from migration.adapters.traffic import GateMove
from migration.adapters.web import PublicWebMove
from migration.errors import StepFailed
from migration.model.words import ProbeState, Side
from tests.support import liars
from tests.unit.migration_adapters.test_access_log import Late, asked, log_of
from tests.unit.migration_adapters.test_moves import Books, Clusters, Edge, Still, context, gate

__all__ = ["context"]


class Silent:
    """Ends well and says nothing, whatever it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def run(self, host: str, argv: Sequence[str], **_: Any) -> str:
        self.asked.append(list(argv))
        return ""


class Local:
    """A host whose scripts run here, with this process' PATH."""

    def run(self, host: str, argv: Sequence[str], **_: Any) -> str:
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20).stdout


def web(context: Any, remote: Any) -> PublicWebMove:
    cluster = cast("Any", Clusters(suspended=True))
    return PublicWebMove(context, playbooks=Books({}), cluster=cluster, remote=remote, clock=Still())


def site_check(context: Any, remote: Any) -> SiteCheck:
    return SiteCheck(context, remote, Still(), GateTool(remote, "edge1"))


REFUSED: dict[str, tuple[str, Callable[[Any, Any], object]]] = {
    "dcshift-gate hold": ("gate-not-understood", lambda c, r: gate(c, r).hold()),
    "dcshift-gate release": ("gate-not-understood", lambda c, r: gate(c, r).release_to_target()),
    "dcshift-gate set source": ("gate-not-understood", lambda c, r: gate(c, r).release_to_source()),
    "sudo psql": ("fence-not-opened", lambda _, r: unfence_on_its_host(r, "db1", "portal", 1)),
    "sh of the access log": (
        "access-log-unread", lambda c, r: AccessLog(c, r, Late()).trace(asked(None), Side.TARGET)
    ),
    "curl of the pages": ("page-unread", lambda c, r: web(c, r).capture_pages()),
}  # fmt: skip


@pytest.mark.parametrize("asking", REFUSED)
def test_a_step_on_a_silent_host_is_refused(asking: str, context: Any) -> None:
    code, ask = REFUSED[asking]
    remote = Silent()
    with pytest.raises(StepFailed) as told:
        ask(context, remote)
    assert told.value.code == code
    assert told.value.why
    assert remote.asked


PROBES: dict[str, tuple[ProbeState, Callable[[Any, Any], Any]]] = {
    "dcshift-gate held": (ProbeState.UNKNOWN, lambda c, r: gate(c, r).held()),
    "dcshift-gate released": (ProbeState.UNKNOWN, lambda c, r: gate(c, r).released_to_target()),
    "dcshift-gate installed": (ProbeState.UNKNOWN, lambda c, r: gate(c, r).gate_installed()),
    "systemctl": (ProbeState.NOT_DONE, lambda c, r: web(c, r).source_stopped()),
}


@pytest.mark.parametrize("asking", PROBES)
def test_a_probe_of_a_silent_host_is_never_done(asking: str, context: Any) -> None:
    state, ask = PROBES[asking]
    remote = Silent()
    assert ask(context, remote).state is state
    assert remote.asked


@pytest.mark.parametrize("serving", Side)
def test_a_proof_of_traffic_by_a_silent_gate_fails(serving: Side, context: Any) -> None:
    (proof,) = gate(context, cast("Any", Silent())).prove(serving=serving)
    assert not proof.passed
    assert "another version" in proof.differences[0]


class Idle(Edge):
    """A gate's tool that tells the truth and changes nothing."""

    def run(self, host: str, argv: Sequence[str], **_: Any) -> str:
        return super().run(host, [word for word in argv if word != "--turn"])


@pytest.mark.parametrize(
    ("state", "verb", "code"),
    [
        ("source", GateMove.hold, "site-not-held"),
        ("hold", GateMove.release_to_target, "site-not-released"),
        ("hold", GateMove.release_to_source, "site-not-released"),
    ],
)
def test_a_gate_that_answers_and_changes_nothing_is_not_believed(
    state: str, verb: Callable[[GateMove], object], code: str, context: Any
) -> None:
    with pytest.raises(StepFailed) as told:
        verb(gate(context, Idle(state)))
    assert told.value.code == code


def test_silence_of_the_edge_is_no_good_news(context: Any) -> None:
    (found,) = site_check(context, Silent())._of_edge()
    assert found.code == "edge-not-asked"
    assert "whether it reaches 127.0.0.1:9 nor what its port 80 answers" in found.what


def test_a_curl_that_asks_nobody_is_no_good_news(context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def codes() -> list[str]:
        return [found.code for found in site_check(context, Local())._of_edge() if found.code.startswith("edge-")]

    assert codes() == ["edge-cannot-reach-target"], "nobody listens on port 9"
    liars.plant(tmp_path / "liars", monkeypatch, "curl")
    assert codes() == ["edge-not-asked"]
    liars.assert_lied(tmp_path / "liars")


@pytest.mark.parametrize(("program", "says"), [("tail", "tail says nothing of"), ("grep", "no answer")])
def test_a_log_that_was_not_read_is_no_proof_of_absence(
    program: str, says: str, context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = [tmp_path / "empty.log", tmp_path / "portal.log"]
    logs[0].touch()
    logs[1].write_text("an older request\n" * 10)
    liars.plant(tmp_path / "liars", monkeypatch, program)
    with pytest.raises(StepFailed) as told:
        log_of(context, *logs).trace(asked(logs[1]), Side.TARGET)
    assert told.value.code == "access-log-unread"
    assert says in told.value.why
    liars.assert_lied(tmp_path / "liars")


def test_logs_that_were_just_turned_over_are_empty_and_no_lie(context: Any, tmp_path: Path) -> None:
    log = tmp_path / "portal.log"
    log.touch()
    assert log_of(context, log).trace(asked(None), Side.TARGET) == []
