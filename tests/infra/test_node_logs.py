"""Where pod security lets pods mount folders of their node, a rule of ours says which, and which may be written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from infra import naming
from tests.support.admission import refused
from tests.support.centres import lab
from tests.support.declared import built_once
from tests.support.log_agents import SPOILT, Pod, with_the_nodes_root


def agents() -> dict[str, Any]:
    (found,) = [each.document for each in lab().stacks["security"] if each.document["kind"] == "DaemonSet"]
    return copy.deepcopy(dict(found))


def judged(document: dict[str, Any], resource: str = "daemonsets", **settings: str) -> set[str]:
    """Return the ids of the rules that refuse it, from what the platform writes and nothing else."""
    built = built_once("platform", settings)
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    policies, bindings = (
        [each.inputs for each in built.of(kind) if each.inputs["metadata"]["name"] == naming.LOG_AGENTS]
        for kind in kinds
    )
    assert len(policies) == len(bindings) == 1
    said = refused(document, resource, policies, bindings, {})
    return {message.partition(":")[0] for message in said}


def test_our_own_agent_keeps_every_rule() -> None:
    assert judged(agents()) == set()


@pytest.mark.parametrize(("spoil", "rule"), SPOILT)
def test_what_would_be_more_than_a_log_agent_is_refused(spoil: Callable[[Pod], None], rule: str) -> None:
    document = agents()
    spoil(document["spec"]["template"]["spec"])
    assert judged(document) == {rule}


def test_a_pod_alone_and_a_job_are_judged_as_the_agents_are() -> None:
    spec = agents()["spec"]["template"]["spec"]
    with_the_nodes_root(spec)
    metadata = {"name": "x", "namespace": naming.LOG_AGENTS}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": spec}}}
    assert judged(pod, "pods") == judged(job, "jobs") == {"node-folders-declared"}
    elsewhere = {**pod, "metadata": {**metadata, "namespace": "default"}}
    assert judged(elsewhere, "pods") == set()


def test_other_folders_are_declared_to_the_platform_before_an_agent_may_read_them() -> None:
    folders = {"auditLog": "/srv/logs/audit", "podLogs": "/srv/logs/pods", "agentState": "/srv/logs/agent"}
    assert judged(agents(), **folders) == {"node-folders-declared"}
    moved = agents()
    for name, key in (("audit", "auditLog"), ("pods", "podLogs"), ("work", "agentState")):
        (volume,) = [each for each in moved["spec"]["template"]["spec"]["volumes"] if each["name"] == name]
        volume["hostPath"]["path"] = folders[key]
    assert judged(moved, **folders) == set()
    assert judged(moved) == {"node-folders-declared"}
    writing = copy.deepcopy(moved)
    for mount in writing["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]:
        mount.pop("readOnly", None)
    assert judged(writing, **folders) == {"node-logs-read-only"}


def test_the_stack_of_the_log_stands_on_the_folders_that_the_platform_allows() -> None:
    other = {"auditLog": "/srv/logs/audit"}
    laid = built_once("platform", {}).outputs["foundations"]["security"]
    assert built_once("security", {}).outputs["stands_on"]["platform"] == laid
    assert built_once("security", other).outputs["stands_on"]["platform"] != laid
    assert built_once("platform", other).outputs["foundations"]["security"] != laid
