"""Asks the target what its contract calls readiness, before anything is written there; it changes nothing.

What cannot be asked forbids to begin like a wrong answer: a target that nobody could look at is not known to be ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from catalogue.probes import Condition, Page, question
from catalogue.target import Readiness, TargetContract
from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.site_client import SiteClient, distrust
from migration.errors import MigrationError, StepFailed
from migration.model.words import Finding, Severity

_REQUEST_SECONDS: Final = 10
_UNSAID: Final = "not said"
_TRUST: Final = "export DCSHIFT_CA=ca.pem   the authority that signs the target's certificates (PEM)"


class TargetReadiness:
    """The readiness of one system's target."""

    def __init__(self, contract: TargetContract, cluster: KubernetesCluster, ca_file: Path | None) -> None:
        self._contract, self._cluster, self._ca_file = contract, cluster, ca_file

    def findings(self) -> list[Finding]:
        """Return a blocker for each part that is not as the contract expects it, or that could not be asked."""
        return [found for asked in self._contract.readiness for found in self._of(asked)]

    def _of(self, asked: Readiness) -> Iterator[Finding]:
        where = f"{self._contract.system}/{asked.name}"
        answer: Callable[[], str]
        match question(asked.probe):
            case Condition() as condition:
                answer, look = lambda: self._condition(condition), _described(condition)
            case Page() as page:
                answer, look = lambda: self._status(page), f"look at the pods of {self._contract.namespaces.app}"
            case None:
                what = f"the contract asks for {asked.probe!r}, which this program does not know"
                advice = "use the release of dcshift that applied this stack, or a newer one"
                yield Finding(Severity.BLOCKER, "readiness-unknown", where, what, advice)
                return
        try:
            said = answer()
        except MigrationError as error:
            yield Finding(Severity.BLOCKER, error.code, where, f"{error.what}: {error.why}", error.next)
            return
        if said != asked.expect:
            what = f"the target is not ready: {asked.probe} is {said}, the contract expects {asked.expect}"
            yield Finding(Severity.BLOCKER, "target-not-ready", where, what, look)

    def _condition(self, asked: Condition) -> str:
        """Return the condition's status; of several parents that say it, one that does not say True goes first.

        What was said of an earlier generation says nothing about the object as it is declared now.
        """
        what = f"{asked.resource}.{asked.group} {asked.namespace}/{asked.name}"
        found = self._cluster.ask(lambda api: _read(api, asked), what)
        status, generation = found.get("status") or {}, found["metadata"].get("generation", 0)
        said = [
            _said(each, generation)
            for holder in (status, *status.get("parents", []))
            for each in holder.get("conditions", [])
            if each.get("type") == asked.type
        ]
        return min(said, key=lambda each: each == "True", default=_UNSAID)

    def _status(self, asked: Page) -> str:
        web = self._contract.web
        client = SiteClient(asked.host, web.gateway_address, web.gateway_port, ca_file=self._ca_file)
        try:
            return str(client.get(asked.path)[0])
        except httpx.HTTPError as silent:
            why = distrust(silent)
            door = f"the target's gateway at {web.gateway_address}:{web.gateway_port}"
            raise StepFailed(
                "target-gateway-silent" if why is None else "target-not-trusted",
                what=f"{door} does not answer for {asked.host}" if why is None else f"{door} is not trusted",
                why=why or str(silent),
                state="it was only asked",
                next="look whether its stack is up and this machine reaches it" if why is None else _TRUST,
            ) from silent


def _said(condition: Mapping[str, Any], generation: int) -> str:
    of, status = condition.get("observedGeneration", generation), str(condition.get("status"))
    return status if of >= generation else f"{status} of its generation {of}, now is {generation}"


def _described(asked: Condition) -> str:
    return f"kubectl -n {asked.namespace} describe {asked.resource}.{asked.group} {asked.name}   says why"


def _read(api: Any, asked: Condition) -> dict[str, Any]:
    """Read the object in the version that the server prefers: the contract names none, and versions come and go."""
    from kubernetes import client

    groups = client.ApisApi(api).get_api_versions(_request_timeout=_REQUEST_SECONDS).groups
    versions = [group.preferred_version.version for group in groups if group.name == asked.group]
    # A group that is not served is answered as its objects are: 404.
    found: dict[str, Any] = client.CustomObjectsApi(api).get_namespaced_custom_object(
        asked.group,
        versions[0] if versions else "v1",
        asked.namespace,
        asked.resource,
        asked.name,
        _request_timeout=_REQUEST_SECONDS,
    )
    return found
