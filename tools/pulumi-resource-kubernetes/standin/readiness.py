"""Whether an object is ready, judged from its document alone; it never asks the cluster and never waits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from standin.kinds import UnsupportedError
from standin.values import Json

Document = dict[str, Json]
Verdict = Literal["ready", "waiting", "failed"]

WAIT_FOR: Final = "pulumi.com/waitFor"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT: Final = "pulumi.com/timeoutSeconds"
_JSONPATH: Final = re.compile(r"^jsonpath=\{(?P<path>\.[^}]+)\}(=(?P<value>.*))?$")


@dataclass(frozen=True, slots=True)
class State:
    """The verdict on an object and the sentence that says why."""

    verdict: Verdict
    why: str


def annotation(document: Document, name: str) -> str:
    """Return an annotation of an object, or nothing."""
    return str((document.get("metadata", {}).get("annotations") or {}).get(name, ""))


def state(document: Document) -> State:
    """Return whether a live object is ready: by its own `waitFor`, else by the rule of its kind, else at once."""
    if annotation(document, SKIP_AWAIT) == "true":
        return State("ready", "its annotation says not to wait")
    wanted = annotation(document, WAIT_FOR)
    if wanted:
        return _first_not_ready([_wanted(document, expression) for expression in wait_for(wanted)])
    rule = _RULES.get(document.get("kind", ""))
    return rule(document) if rule else State("ready", "there is nothing to wait for with this kind")


def wait_for(text: str) -> list[str]:
    """Return the expressions of a `waitFor` annotation: one, or a JSON list. Raises `UnsupportedError`."""
    try:
        expressions = json.loads(text) if text.startswith("[") else [text]
    except json.JSONDecodeError as bad:
        raise UnsupportedError(f"{WAIT_FOR} is not a list in JSON: {text}") from bad
    for expression in expressions:
        if not (expression.startswith("condition=") or _JSONPATH.match(expression)):
            raise UnsupportedError(
                f"{WAIT_FOR} is {expression!r}; known are condition=TYPE[=STATUS], jsonpath={{.path}}[=VALUE]"
            )
    return list(expressions)


def _wanted(document: Document, expression: str) -> State:
    found = _JSONPATH.match(expression)
    if found is None:
        kind, _, status = expression.removeprefix("condition=").partition("=")
        return _condition(document, kind, status or "True")
    value: Json = document
    for step in found["path"].strip(".").split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if found["value"] is None:
        return State("ready" if value is not None else "waiting", f"{found['path']} is {value}")
    return State("ready" if str(value) == found["value"] else "waiting", f"{found['path']} is {value}")


def _first_not_ready(states: Sequence[State]) -> State:
    return next((found for found in states if found.verdict != "ready"), states[0])


def _conditions(document: Document) -> dict[str, Json]:
    return {entry["type"]: entry for entry in document.get("status", {}).get("conditions") or []}


def _condition(document: Document, kind: str, status: str = "True") -> State:
    found = _conditions(document).get(kind)
    if found is None:
        phase = document.get("status", {}).get("phase", "")
        return State("waiting", f"condition {kind} is not reported yet{f'; phase: {phase}' if phase else ''}")
    if found.get("observedGeneration", document["metadata"].get("generation", 0)) < document["metadata"].get(
        "generation", 0
    ):
        return State("waiting", f"condition {kind} speaks of an earlier version")
    why = f"condition {kind} is {found['status']}" + "".join(
        f": {found[part]}" for part in ("reason", "message") if found.get(part)
    )
    return State("ready" if found["status"] == status else "waiting", why)


def _observed(document: Document) -> bool:
    return bool(document.get("status", {}).get("observedGeneration", 0) >= document["metadata"].get("generation", 0))


def _deployment(document: Document) -> State:
    wanted, status = document["spec"].get("replicas", 1), document.get("status", {})
    if not _observed(document):
        return State("waiting", "the controller has not seen this version yet")
    progressing = _conditions(document).get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return State("failed", f"the roll-out made no progress: {progressing.get('message', '')}")
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    why = f"{updated} of {wanted} pods updated, {available} available, {status.get('replicas', 0)} in all"
    # A pod on its way out is old only while its replacement counts as updated: all must be of this version.
    done = updated >= wanted and available >= wanted and status.get("replicas", 0) <= max(updated, wanted)
    return State("ready" if done else "waiting", why)


def _stateful_set(document: Document) -> State:
    wanted, status = document["spec"].get("replicas", 1), document.get("status", {})
    if not _observed(document):
        return State("waiting", "the controller has not seen this version yet")
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    done = ready >= wanted and (updated >= wanted or status.get("updateRevision") == status.get("currentRevision"))
    return State("ready" if done else "waiting", f"{ready} of {wanted} pods ready, {updated} updated")


def _daemon_set(document: Document) -> State:
    status = document.get("status", {})
    wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    done = _observed(document) and status.get("updatedNumberScheduled", 0) >= wanted and available >= wanted
    return State("ready" if done else "waiting", f"{available} of {wanted} pods available")


def _job(document: Document) -> State:
    conditions = _conditions(document)
    if document["spec"].get("suspend"):
        return State("ready", "it is suspended")
    for kind in ("Failed", "FailureTarget"):
        if conditions.get(kind, {}).get("status") == "True":
            return State("failed", f"the job failed: {conditions[kind].get('message', conditions[kind].get('reason'))}")
    status = document.get("status", {})
    done = conditions.get("Complete", {}).get("status") == "True"
    why = f"{status.get('succeeded', 0)} succeeded, {status.get('active', 0)} active, {status.get('failed', 0)} failed"
    return State("ready" if done else "waiting", why)


def _namespace(document: Document) -> State:
    phase = document.get("status", {}).get("phase", "")
    return State("ready" if phase == "Active" else "waiting", f"phase: {phase or 'none yet'}")


def _cluster(document: Document) -> State:
    found = _condition(document, "Ready")
    status = document.get("status", {})
    phase = ": ".join(status[part] for part in ("phase", "phaseReason") if status.get(part))
    return State(found.verdict, f"{found.why}{f' ({phase})' if phase else ''}")


def _route(document: Document) -> State:
    parents = document.get("status", {}).get("parents") or []
    if len(parents) < len(document["spec"].get("parentRefs") or []):
        return State("waiting", "not every gateway has answered yet")
    entries = [{**document, "status": {"conditions": parent.get("conditions") or []}} for parent in parents]
    return _first_not_ready([_condition(entry, kind) for entry in entries for kind in ("Accepted", "ResolvedRefs")])


def _service(document: Document) -> State:
    if document["spec"].get("type") != "LoadBalancer":
        return State("ready", "it has its address")
    given = document.get("status", {}).get("loadBalancer", {}).get("ingress")
    return State("ready" if given else "waiting", f"address of the load balancer: {given or 'none yet'}")


_RULES: Final[dict[str, Callable[[Document], State]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Namespace": _namespace,
    "Cluster": _cluster,
    "Gateway": lambda document: _condition(document, "Programmed"),
    "HTTPRoute": _route,
    "Service": _service,
    "Pod": lambda document: _condition(document, "Ready"),
    "CustomResourceDefinition": lambda document: _condition(document, "Established"),
}
