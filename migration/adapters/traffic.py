"""The public traffic of one system, through the gate; it never releases a site to a side that is in doubt."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from migration.adapters import traffic_findings
from migration.adapters.access_log import AccessLog
from migration.adapters.gate_tool import GateStatus, GateTool, SiteStatus
from migration.adapters.site_check import SiteCheck
from migration.adapters.site_client import SiteClient
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Facts, Finding, Json, Probe, ProbeState, Proof, Side
from migration.ports import Clock, Playbooks, Remote

_DRAIN_SECONDS: Final = 3.0
"""How long requests under way at the source may take once the hold has begun; citizens wait meanwhile."""


class GateMove:
    """Port `TrafficMove`."""

    def __init__(self, context: SystemContext, *, playbooks: Playbooks, remote: Remote, clock: Clock) -> None:
        self._context, self._playbooks, self._remote, self._clock = context, playbooks, remote, clock
        self._edge, self._site = context.system.source.traffic.host, context.system.source.traffic.site
        self._gate = GateTool(remote, self._edge)
        self._log = AccessLog(context, remote, clock)
        web = context.contract.web
        self._web = web
        self._public = SiteClient(web.host, context.hosts[self._edge].address, ca_file=context.ca_file)

    # Prepare

    def check(self) -> Sequence[Finding]:
        """Return what speaks against the gate; see `SiteCheck`."""
        return SiteCheck(self._context, self._remote, self._clock, self._gate).findings()

    def install_gate(self) -> Facts:
        """Run `prepare` on the edge host, and read the gate again over the warm connection."""
        self._playbooks.run(
            "prepare",
            limit=[self._edge],
            variables={
                **self._turn_variables(),
                "gate_hosts": [self._web.host, *traffic_findings.aliases(self._context.facts.traffic, self._web.host)],
                "gate_target_address": f"{self._web.gateway_address}:{self._web.gateway_port}",
                "gate_target_ca": _authority(self._context.ca_file),
            },
        )
        probe = self.gate_installed()
        if probe.state is not ProbeState.DONE:
            raise self._failed("gate-not-installed", "the gate was installed but does not stand", probe.sentence)
        status = self._read()
        return {"haproxy": status.haproxy, "hold_seconds_max": status.hold_seconds_max, "site": self._site}

    def gate_installed(self) -> Probe:
        """Read whether the running gate has the site, gets the public port, and nobody is left past it."""
        try:
            status = self._gate.status()
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the gate of {self._edge} cannot be read: {unknown.why}")
        if status is None or self._site not in status.sites:
            return Probe(ProbeState.NOT_DONE, f"{self._site} is not behind the gate of {self._edge}")
        if not status.redirected or status.direct_connections:
            past = f"{status.direct_connections} connections past it"
            return Probe(ProbeState.NOT_DONE, f"the gate of {self._edge}: redirect {status.redirected}, {past}")
        if status.stale_settings:
            changed = ", ".join(status.stale_settings)
            return Probe(ProbeState.NOT_DONE, f"the gate of {self._edge} runs without the newest {changed}")
        return Probe(ProbeState.DONE, f"{self._site} is behind the gate of {self._edge}, on {self._here(status).state}")

    def remove_gate(self) -> None:
        """Take the site out of the gate, and the gate away with its last site."""
        self._playbooks.run("rollback", limit=[self._edge], variables=self._turn_variables(), timeout_seconds=180)
        if self.gate_installed().state is not ProbeState.NOT_DONE:
            raise self._failed("gate-not-removed", "the site is still behind the gate", self.gate_installed().sentence)

    # Quiesce and cutover: inside the hold, over the warm connection only

    def hold(self) -> Facts:
        """Hold the site; return when its source is idle. If it does not become idle, traffic goes on at once."""
        started = self._clock.monotonic()
        probe = self._judge(self._change(["hold", self._site, str(_DRAIN_SECONDS)]), "hold")
        if probe.state is not ProbeState.DONE:
            raise self._failed("site-not-held", f"{self._site} is not held", probe.sentence)
        return {"drain_seconds": round(self._clock.monotonic() - started, 3)}

    def held(self) -> Probe:
        """Read whether the site is held and no request is under way at the source."""
        return self._probe("hold")

    def release_to_source(self) -> None:
        """Let waiting and further requests go to the source; does nothing where the site is not behind a gate."""
        status = self._gate.status(turn=self._turn())
        if status is None or self._site not in status.sites:
            return
        if status.sites[self._site].state == "target":
            raise self._failed("already-released", f"{self._site} is served by its target", "new writes are there only")
        after = self._here(self._change(["set", self._site, "source"]))
        if after.state != "source":
            raise self._failed("site-not-released", f"{self._site} is not on its source", f"it is on {after.state}")

    def release_to_target(self) -> Facts:
        """Let waiting and further requests go to the target, if the gate still holds them and the source is idle."""
        try:
            status = self._change(["release", self._site])
        except StepFailed as refused:
            if refused.code != "remote-command-failed":
                raise
            raise self._failed("site-not-released", f"{self._site} was not released", refused.why) from refused
        probe = self._judge(status, "target")
        if probe.state is not ProbeState.DONE:
            raise self._failed("site-not-released", f"{self._site} is not on its target", probe.sentence)
        site = self._here(status)
        return {
            "requests_waited": site.waited,
            "longest_wait_seconds": site.longest_wait_seconds,
            "requests_refused": site.requests_since_switch.get("refused", 0),
        }

    def released_to_target(self) -> Probe:
        return self._probe("target")

    def prove(self, *, serving: Side) -> Sequence[Proof]:
        """Prove who serves: by the gate's counters, and by a request that only one side's web server has seen."""
        other = Side.SOURCE if serving is Side.TARGET else Side.TARGET
        differences, figures = [], dict[str, Json]()
        try:
            status = self._read()
            site = self._here(status)
            figures = {
                "requests": site.requests_since_switch.get(serving, 0),
                "requests_to_other_side": site.requests_since_switch.get(other, 0),
                "requests_refused": site.requests_since_switch.get("refused", 0),
                "waiting": site.waiting,
                "past_the_gate": status.direct_connections,
            }
            if {site.state, site.decided} != {serving.value}:
                differences.append(f"the gate says {site.state}, its file {site.decided}")
            if count := site.requests_since_switch.get(other, 0) + site.under_way.get(other, 0):
                differences.append(f"{count} requests went to the {other} since the switch")
            if status.direct_connections:
                differences.append(f"{status.direct_connections} connections reach the web server past the gate")
            if not differences:
                differences += self._log.trace(self._public, serving)
        except (StepFailed, httpx.HTTPError) as unread:
            why = f"{unread.what}: {unread.why}" if isinstance(unread, StepFailed) else str(unread)
            differences.append(f"it could not be read: {why}")
        sentence = f"{self._web.host} is served by the {serving} alone" if not differences else differences[0]
        return [Proof("traffic", not differences, sentence, figures, tuple(differences[:20]))]

    def _probe(self, wanted: str) -> Probe:
        try:
            # Under the turn: what is undone because of this answer must not meet a release that is still on its way.
            status = self._gate.status(turn=self._turn())
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"the gate of {self._edge} cannot be read: {unknown.why}")
        return self._judge(status, wanted)

    def _judge(self, status: GateStatus | None, wanted: str) -> Probe:
        """Say whether the site is `hold` or `target`: by the gate and its file, and for `hold` by an idle source.

        What else reaches the source after the release (a health check of the host itself) does not take the release
        back: citizens' writes are on the target. Such a connection is for `prove` to name.
        """
        site = status.sites.get(self._site) if status else None
        if status is None or site is None:
            return Probe(ProbeState.NOT_DONE, f"{self._site} is not behind the gate of {self._edge}")
        said = {site.state, site.decided}
        if said != {wanted}:
            # A switch to the target that only one of both knows may have let somebody through.
            state = ProbeState.UNKNOWN if "target" in (said & {wanted}) else ProbeState.NOT_DONE
            return Probe(state, f"{self._site} is on {site.state}, and {site.decided} after a restart")
        busy = site.under_way.get("source", 0) + status.direct_connections
        if busy and wanted == "hold":
            return Probe(ProbeState.NOT_DONE, f"{self._site} is on {wanted}, but {busy} requests are at the source")
        return Probe(ProbeState.DONE, f"{self._site} is on {wanted}; {busy or 'no'} requests are at the source")

    def _change(self, words: Sequence[str]) -> GateStatus:
        return self._gate.change(words, turn=self._turn(), timeout_seconds=_DRAIN_SECONDS + 10)

    def _turn(self) -> str:
        return f"{self._context.system.id}:{self._context.token()}"

    def _read(self) -> GateStatus:
        if (status := self._gate.status()) is None:
            raise self._failed("site-not-behind-gate", f"{self._site} is not behind a gate", f"{self._edge} has none")
        return status

    def _turn_variables(self) -> dict[str, Json]:
        return {
            "dcshift_system": self._context.system.id,
            "dcshift_component": "traffic",
            "dcshift_token": self._context.token(),
            "gate_site": self._site,
        }

    def _here(self, status: GateStatus) -> SiteStatus:
        if self._site not in status.sites:
            raise self._failed("site-not-behind-gate", f"{self._site} is not behind the gate", f"of {self._edge}")
        return status.sites[self._site]

    def _failed(self, code: str, what: str, why: str) -> StepFailed:
        return StepFailed(code, what=what, why=why, state="the gate keeps its last decision", next="dcshift status")


def _authority(ca_file: Path | None) -> str:
    """Return the certificates that the gate shall trust on the far side."""
    return Path(ca_file or ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt").read_text()
