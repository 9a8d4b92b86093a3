"""The web process of one system: what it shows, whether the target is ready, the source's service; no traffic moves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, cast

import httpx

from migration.adapters.site_client import SiteClient
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Facts, Finding, Json, Probe, ProbeState, Proof, Severity
from migration.ports import Clock, Cluster, Playbooks, Remote
from migration.verification.pages import first_difference, text_hash, visible_text

_END: Final = "\n~~dcshift-page~~"
_READERS: Final = 4
_PAGE_SECONDS: Final = 10.0
_KNOWN: Final = ("LoadState=loaded", "LoadState=masked")
_HEALTH_SECONDS: Final = 5.0


class PublicWebMove:
    """Port `WebMove`."""

    def __init__(
        self, context: SystemContext, *, playbooks: Playbooks, cluster: Cluster, remote: Remote, clock: Clock
    ) -> None:
        self._context, self._playbooks, self._cluster = context, playbooks, cluster
        self._remote, self._clock = remote, clock
        web = context.contract.web
        self._web, self._pages = web, tuple(context.system.web.pages)
        self._edge = context.system.source.traffic.host
        self._target = SiteClient(web.host, web.gateway_address, web.gateway_port, ca_file=context.ca_file)

    def check(self) -> Sequence[Finding]:
        """Return what speaks against moving the web process: another release, a silent source, no page to compare."""
        where, found = f"{self._context.system.id}/web", []
        declared = self._context.system.web.release
        if declared is None:
            what = f"the catalogue names no release: nobody compared the target's {self._web.release} with the source's"
            found.append(Finding(Severity.WARNING, "release-unsaid", where, what, "write web.release, or compare them"))
        elif self._web.release != declared:
            found.append(
                Finding(
                    Severity.BLOCKER,
                    "release-differs",
                    where,
                    f"the target runs release {self._web.release}, the source {declared}; the cut changes no release",
                    f"pulumi config rm dcshift:release --stack {self._context.system.id}, then pulumi up",
                )
            )
        if not self._context.facts.web.active:
            found.append(
                Finding(
                    Severity.BLOCKER,
                    "source-web-inactive",
                    where,
                    f"{self._context.facts.web.service} did not run at the survey",
                    "start it, or dcshift survey again",
                )
            )
        if not self._pages:
            found.append(
                Finding(
                    Severity.WARNING,
                    "no-pages",
                    where,
                    "no public page is named to be compared",
                    "list some under web.pages in the catalogue",
                )
            )
        return found

    def target_ready(self) -> Probe:
        """Ask Kubernetes for its pods, and the gateway for the health page."""
        try:
            ready, wanted = self._cluster.deployment_ready(self._web.namespace, self._web.deployment)
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"its pods cannot be seen: {unknown.why}")
        if ready < max(1, wanted):
            return Probe(ProbeState.NOT_DONE, f"{ready} of {max(1, wanted)} pods are ready")
        answer = self.target_answers()
        if answer.state is not ProbeState.DONE:
            return answer
        return Probe(ProbeState.DONE, f"{ready} pods are ready and answer through the gateway")

    def target_answers(self) -> Probe:
        """Ask the gateway for the health page."""
        try:
            status = self._target.get(self._web.health, timeout_seconds=_HEALTH_SECONDS)[0]
        except httpx.HTTPError as silent:
            return Probe(ProbeState.NOT_DONE, f"its gateway does not answer: {silent}")
        if status != 200:
            return Probe(ProbeState.NOT_DONE, f"its gateway answers {status} for {self._web.health}")
        return Probe(ProbeState.DONE, f"its gateway answers {status} for {self._web.health}")

    def capture_pages(self) -> Facts:
        """Read all pages in one command on the edge host, from the web server behind the gate."""
        texts = self._source_texts()
        self._kept.write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
        return {"pages": {path: text_hash(text) for path, text in texts.items()}}

    def prove_pages(self, captured: Facts) -> Sequence[Proof]:
        """Compare by hash; words of both are named where they part."""
        hashes = cast("Mapping[str, str]", captured.get("pages", {}))
        differences: list[str] = []
        if set(hashes) != set(self._pages):
            differences.append(f"{len(hashes)} of {len(self._pages)} pages were captured from the source")
        with ThreadPoolExecutor(_READERS) as readers:
            for path, text in zip(hashes, readers.map(self._target_text, hashes), strict=True):
                if isinstance(text, StepFailed):
                    differences.append(f"{path}: {text.why}")
                elif text_hash(text) != hashes[path]:
                    differences.append(f"{path}: {first_difference(self._kept_texts().get(path, ''), text)}")
        sentence = f"{len(hashes)} public pages say the same on both sides"
        if differences:
            sentence = f"{len(differences)} public pages differ or could not be read"
        return [Proof("pages", not differences, sentence, {"pages": len(hashes)}, tuple(differences[:20]))]

    def stop_source(self) -> Facts:
        """Stop and disable the source's service: whoever still comes to the old address cannot write there."""
        return dict(self._play("watch"))

    def source_stopped(self) -> Probe:
        """Ask systemd on the source."""
        service = self._context.system.source.web.service
        host = self._context.system.source.web.host
        words = ["systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", service]
        try:
            said = self._remote.run(host, words).split()
        except StepFailed as unknown:
            return Probe(ProbeState.UNKNOWN, f"{host} cannot be asked: {unknown.why}")
        state = f"{service} is {', '.join(said)}"
        known = next((word for word in said if word.startswith("LoadState=")), None)
        if known is not None and known not in _KNOWN:
            # What systemd does not know it calls inactive, too: stopped is only what it could start.
            return Probe(ProbeState.UNKNOWN, f"systemd of {host} does not know {service} ({known})")
        stopped = "ActiveState=inactive" in said or "ActiveState=failed" in said
        done = known is not None and stopped and "UnitFileState=enabled" not in said
        return Probe(ProbeState.DONE if done else ProbeState.NOT_DONE, state)

    def start_source(self) -> None:
        """Start and enable the source's service again."""
        self._play("rollback")

    def _play(self, playbook: str) -> Mapping[str, Json]:
        host = self._context.system.source.web.host
        variables: dict[str, Json] = {
            "dcshift_system": self._context.system.id,
            "dcshift_component": "web",
            "dcshift_token": self._context.token(),
            "service_name": self._context.system.source.web.service,
        }
        return self._playbooks.run(playbook, limit=[host], variables=variables).results[host]

    @property
    def _kept(self) -> Path:
        return self._context.state_folder / "pages.json"

    def _kept_texts(self) -> Mapping[str, str]:
        return cast("Mapping[str, str]", json.loads(self._kept.read_text())) if self._kept.exists() else {}

    def _source_texts(self) -> dict[str, str]:
        if not self._pages:
            return {}
        urls = [f"https://{self._web.host}{path}" for path in self._pages]
        # The loopback of the edge host is where the gate itself finds the web server; its name is not checked there.
        argv = ["curl", "-ksS", "-m", str(int(_PAGE_SECONDS)), "--connect-to", "::127.0.0.1:443"]
        argv += ["-H", "Accept-Language: vi", "-A", "dcshift", "-w", f"{_END}%{{http_code}}{_END}", *urls]
        answered = self._remote.run(self._edge, argv, timeout_seconds=_PAGE_SECONDS * 2).split(_END)
        bodies, statuses = answered[:-1:2], answered[1::2]
        if len(statuses) != len(self._pages):
            raise self._unread(f"curl on {self._edge} told of {len(statuses)} of {len(self._pages)} pages")
        texts: dict[str, str] = {}
        for path, body, status in zip(self._pages, bodies, statuses, strict=True):
            if status != "200":
                raise self._unread(f"the source answers {status} for {path}")
            texts[path] = visible_text(body)
        return texts

    def _target_text(self, path: str) -> str | StepFailed:
        try:
            status, body, _ = self._target.get(path, timeout_seconds=_PAGE_SECONDS)
        except httpx.HTTPError as silent:
            return self._unread(f"the target does not answer: {silent}")
        return visible_text(body) if status == 200 else self._unread(f"the target answers {status}")

    def _unread(self, why: str) -> StepFailed:
        return StepFailed(
            "page-unread",
            what=f"a public page of {self._context.system.id} could not be read",
            why=why,
            state="nothing was changed",
            next=f"look at web.pages of {self._context.system.id} in the catalogue, and at its web process",
        )
