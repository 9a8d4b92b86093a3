"""A host on which whatever is asked ends well, says nothing and does nothing: no step believes it, no probe.

This is what a lying sudo, sh, ssh or dcshift-gate looks like from here; the programs inside our scripts lie one by one.
"""

from __future__ import annotations

import os
import subprocess
import sys
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
from tests.support import liars, port_80
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
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout


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


class Edge80:
    """An edge host with a network of its own, in which port 80 does what is told."""

    def __init__(self, port_80: str) -> None:
        self._port_80 = port_80

    def run(self, host: str, argv: Sequence[str], **_: Any) -> str:
        alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
        words = [*alone, sys.executable, port_80.__file__, self._port_80, *argv]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("closed", None),
        ("redirects", None),
        ("serves", "plain-http-serves: port 80 answers 200 instead of a redirect"),
        ("hangs up", "plain-http-unclear: what port 80 serves is not known: 1 listen there, curl ended with 52"),
        (
            "elsewhere",
            "plain-http-unclear: what port 80 serves is not known: 1 listen there, curl ended with 7",
        ),
    ],
)
def test_what_goes_past_the_gate_is_what_somebody_serves_at_port_80(does: str, says: str | None, context: Any) -> None:
    found = list(site_check(context, Edge80(does))._of_edge())
    told = [f"{one.code}: {one.what}" for one in found if one.code.startswith(("plain-", "edge-not-asked"))]
    assert [says is not None and one.startswith(says) for one in told] == [True] * (says is not None)


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ("LoadState=loaded ActiveState=inactive UnitFileState=disabled", ProbeState.DONE),
        ("LoadState=masked ActiveState=inactive UnitFileState=masked", ProbeState.DONE),
        ("LoadState=loaded ActiveState=failed UnitFileState=enabled", ProbeState.NOT_DONE),
        ("LoadState=loaded ActiveState=active UnitFileState=disabled", ProbeState.NOT_DONE),
        ("LoadState=not-found ActiveState=inactive UnitFileState=", ProbeState.UNKNOWN),
        ("LoadState=error ActiveState=inactive UnitFileState=", ProbeState.UNKNOWN),
        ("ActiveState=inactive UnitFileState=disabled", ProbeState.NOT_DONE),
    ],
)
def test_a_service_that_systemd_does_not_know_is_not_stopped(shown: str, state: ProbeState, context: Any) -> None:
    class Host(Silent):
        def run(self, host: str, argv: Sequence[str], **_: Any) -> str:
            assert argv[:2] == ["systemctl", "show"]
            asked = argv[2].removeprefix("--property=").split(",")
            # systemctl says of a unit what it was asked for, and no more.
            return "\n".join(word for word in shown.split() if word.partition("=")[0] in asked)

    found = web(context, Host()).source_stopped()
    assert found.state is state
    assert state is not ProbeState.UNKNOWN or "systemd of app1 does not know" in found.sentence


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
