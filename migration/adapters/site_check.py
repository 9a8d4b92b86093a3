"""What speaks against putting a site behind the gate: asked of the survey, of the edge host, and of both sides.

Whether the target serves the site itself is asked with everything else that must be ready there: see `readiness`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

import httpx

from migration.adapters import traffic_findings
from migration.adapters.access_log import AccessLog
from migration.adapters.gate_tool import GateStatus, GateTool
from migration.adapters.site_client import SiteClient
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Finding, Severity
from migration.ports import Clock, Remote

_CERTIFICATE_DAYS_MIN: Final = 7
_ASK_EDGE: Final = (
    "test -x /usr/sbin/haproxy || echo lacks haproxy; test -x /usr/sbin/nft || echo lacks nft; "
    'curl -ksS -m 5 -o /dev/null -w "far %{http_code}\\n" --connect-to "::$1" "https://$2$3"; '
    'curl -sS -m 5 -o /dev/null -w "plain %{http_code} " -H "Host: $2" http://127.0.0.1/; echo "$?"; '
    # Who listens at port 80 (0050), at whatever address: the kernel says so, in state 0A. No program could lie here.
    'n=; for f in /proc/net/tcp /proc/net/tcp6; do [ ! -e "$f" ] || while read -r _ at _ state _; do '
    'n=${n:-0}; case "$at$state" in *:00500A) n=$((1 + n));; esac; done <"$f"; done; echo "listening $n"'
)
_REFUSED: Final = "7"
"""What curl ends with when nobody accepted."""
_NO_ANSWER: Final = "000"
"""What curl says for the status of an answer that did not come."""


class SiteCheck:
    """Checks one site; it changes nothing."""

    def __init__(self, context: SystemContext, remote: Remote, clock: Clock, gate: GateTool) -> None:
        self._context, self._remote, self._clock, self._gate = context, remote, clock, gate
        self._web, self._facts = context.contract.web, context.facts.traffic
        self._edge, self._site = context.system.source.traffic.host, context.system.source.traffic.site

    def findings(self) -> list[Finding]:
        """Return what speaks against the gate: names, certificate, programs, logs."""
        return [
            *self._of_site(),
            *traffic_findings.from_survey(self._facts),
            *self._of_aliases(),
            *self._of_edge(),
            *self._of_gate(),
        ]

    def _blocker(self, code: str, what: str, next: str) -> Finding:
        return Finding(Severity.BLOCKER, code, f"{self._edge}/{self._site}", what, next)

    def _of_site(self) -> Iterator[Finding]:
        if self._web.host not in self._facts.server_names:
            what = f"the site serves {', '.join(self._facts.server_names)}, not {self._web.host}"
            yield self._blocker("site-name-missing", what, "correct web.host or the site")
        try:
            ends = datetime.datetime.fromisoformat(self._facts.certificate_expires).timestamp()
        except ValueError:
            what = "the site has no certificate that could be read"
            yield self._blocker("site-without-tls", what, "serve the site over TLS first")
            return
        days = (ends - self._clock.now()) / 86_400
        if days < _CERTIFICATE_DAYS_MIN:
            what = f"its certificate ends in {days:.0f} days"
            yield self._blocker("certificate-ends-soon", what, "renew it, then: dcshift survey")

    def _of_aliases(self) -> Iterator[Finding]:
        for name in traffic_findings.aliases(self._facts, self._web.host):
            if (said := self._answer_of_target(name)) != "200":
                what = f"the site also serves {name}, for which the target answers {said}"
                advice = f"let {name} redirect to {self._web.host} in a server block of its own, then: dcshift survey"
                yield self._blocker("site-alias", what, advice)

    def _answer_of_target(self, name: str) -> str:
        web = self._web
        client = SiteClient(name, web.gateway_address, web.gateway_port, ca_file=self._context.ca_file)
        try:
            return str(client.get(web.health)[0])
        except httpx.HTTPError as error:
            return f"nothing ({error})"

    def _of_edge(self) -> Iterator[Finding]:
        """Ask the edge host itself: programs, the way to the target, and what port 80 does."""
        far = f"{self._web.gateway_address}:{self._web.gateway_port}"
        words = ["sh", "-c", f"({_ASK_EDGE}) 2>&1; true", "sh", far, self._web.host, self._web.health]
        # Nothing speaks against it only where each question was answered: silence is no good news.
        silent = {"far": f"whether it reaches {far}", "plain": "what its port 80 answers"}
        silent |= {"listening": "whether anything listens at its port 80"}
        said: dict[str, str] = {}
        for line in self._remote.run(self._edge, words, timeout_seconds=15).splitlines():
            question, _, answer = line.partition(" ")
            if silent.pop(question, None):
                said[question] = answer
            if question == "lacks":
                yield self._blocker("gate-program-missing", f"{self._edge} {line}", "install its Debian package")
            elif line == f"far {_NO_ANSWER}":
                yield self._blocker("edge-cannot-reach-target", f"{self._edge} cannot reach {far}", "open the way")
        if "plain" in said and "listening" in said:
            yield from self._of_port_80(*said["plain"].partition(" ")[::2], listening=said["listening"])
        if silent:
            what = f"{self._edge} did not say {' nor '.join(silent.values())}"
            advice = "look at which sudo, sh and curl that host has (`type -a curl`), then: dcshift check"
            yield self._blocker("edge-not-asked", what, advice)

    def _of_port_80(self, status: str, ended: str, *, listening: str) -> Iterator[Finding]:
        """Yield what would go past the gate: where nobody listens, nothing does."""
        if status.startswith("3") or (status == _NO_ANSWER and ended == _REFUSED and listening == "0"):
            return
        if status != _NO_ANSWER:
            what = f"port 80 answers {status} instead of a redirect, and would go past the gate"
            yield self._blocker("plain-http-serves", what, "answer port 80 with a redirect to https")
            return
        what = f"what port 80 serves is not known: {listening or 'some'} listen there, curl ended with {ended}"
        advice = "answer port 80 with a redirect to https at every address, or let nobody listen there"
        yield self._blocker("plain-http-unclear", what, advice)

    def _of_gate(self) -> Iterator[Finding]:
        behind = self._behind_gate()
        if behind is not None and behind.stale_settings:
            what = "the gate's settings were changed after it started, and it was not started again"
            system = self._context.system.id
            yield self._blocker("gate-settings-stale", what, f"dcshift rollback {system}, then dcshift run")
        if behind is None or behind.sites[self._site].state == "source":
            public = SiteClient(self._web.host, self._context.hosts[self._edge].address, ca_file=self._context.ca_file)
            if blind := AccessLog(self._context, self._remote, self._clock).blind(public):
                yield blind

    def _behind_gate(self) -> GateStatus | None:
        """Return the gate's status if the site is behind it already."""
        try:
            status = self._gate.status()
        except StepFailed:
            return None  # prepare installs the gate anew, and its own probe says what is wrong with it
        return status if status is not None and self._site in status.sites else None
