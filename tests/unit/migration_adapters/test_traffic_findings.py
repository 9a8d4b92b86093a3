"""What of a site would go past the gate, or mean something else behind it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from migration.adapters import traffic_findings
from migration.adapters.site_check import SiteCheck
from migration.model.inventory import TrafficFacts
from migration.model.words import ProbeState, Severity
from tests.support import examples
from tests.unit.migration_adapters.test_moves import Books, Edge, context, gate

__all__ = ["context"]


def facts(**changed: Any) -> TrafficFacts:
    plain = examples.inventory().systems["portal"].traffic
    name = plain.server_names[0]
    return plain.model_copy(update={"served_names": [name], **changed})


def test_an_ordinary_site_has_nothing_to_say() -> None:
    assert list(traffic_findings.from_survey(facts())) == []
    assert traffic_findings.aliases(facts(), facts().server_names[0]) == []


@pytest.mark.parametrize(
    ("changed", "code", "severity", "named"),
    [
        ({"ipv6_ports": [443]}, "site-on-ipv6", Severity.BLOCKER, "IPv6"),
        ({"listening_ports": [80, 443, 8443]}, "site-on-other-port", Severity.BLOCKER, "8443"),
        ({"served_names": ["*.khanhhoa.example"]}, "site-name-pattern", Severity.BLOCKER, "*.khanhhoa"),
        ({"served_names": ["~^(www|m).x$"]}, "site-name-pattern", Severity.BLOCKER, "~^"),
        ({"default_ports": [443]}, "site-is-default", Severity.WARNING, "default"),
        ({"by_address": ["allow 10.0.0.0/8"]}, "rules-by-address", Severity.WARNING, "allow 10.0.0.0/8"),
    ],
)
def test_a_planted_case_is_named(changed: dict[str, Any], code: str, severity: Severity, named: str) -> None:
    (found,) = traffic_findings.from_survey(facts(**changed))
    assert (found.code, found.severity, named in found.what) == (code, severity, True)


def test_plain_http_on_ipv6_is_only_a_redirect_and_no_finding() -> None:
    assert list(traffic_findings.from_survey(facts(ipv6_ports=[80]))) == []


@pytest.fixture
def with_alias(context: Any) -> Any:
    host = context.contract.web.host
    traffic = facts(served_names=[host, f"www.{host}"], server_names=[host, f"www.{host}"])
    return dataclasses.replace(context, facts=context.facts.model_copy(update={"traffic": traffic}))


@pytest.mark.parametrize(("answer", "blocked"), [("200", False), ("404", True)])
def test_an_alias_is_held_too_or_forbids_the_move(
    answer: str, blocked: bool, with_alias: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = gate(with_alias, Edge())
    monkeypatch.setattr(SiteCheck, "_answer_of_target", lambda _, name: answer)
    codes = [one.code for one in move.check()]
    assert ("site-alias" in codes) is blocked
    move.install_gate()
    books = move._playbooks
    assert isinstance(books, Books)
    host = with_alias.contract.web.host
    assert books.asked[0][1]["gate_hosts"] == [host, f"www.{host}"]


def test_a_gate_that_was_not_started_again_is_found_before_anybody_is_held(context: Any, tmp_path: Path) -> None:
    stale = gate(context, Edge(stale_settings=["haproxy.cfg"]))
    assert stale.gate_installed().state is ProbeState.NOT_DONE
    assert "haproxy.cfg" in stale.gate_installed().sentence
    assert "gate-settings-stale" in [one.code for one in stale.check()]
    assert "gate-settings-stale" not in [one.code for one in gate(context, Edge()).check()]
    assert "gate-settings-stale" not in [one.code for one in gate(context, Edge(None)).check()]
