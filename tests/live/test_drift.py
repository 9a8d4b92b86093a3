"""One field of every kind that stacks declare is changed by hand on a real server; drift names each and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from infra import cluster_api
from infra.drift.__main__ import differences
from infra.drift.compare import Class, Difference
from infra.live import Live
from infra.render import representative
from infra.render.declared import Built
from lab.api_server import ApiServer
from tests.support.api_server_kinds import server_for_stacks
from tests.support.asking import Asker, resources_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
Document = dict[str, Any]
HAND: Final = "kubectl-edit"
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}
_APPLY: Final = {"Content-Type": "application/apply-patch+yaml"}
# Policies come last: they judge by namespaces that must be there, and by nothing that is not applied yet.
_ORDER: Final = ("Namespace", "", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_RULES: Final = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
_GATEWAY: Final = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
_SUBJECTS: Final = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "others"}]
_CONFIG, _FILES = (
    ("spec", "template", "metadata", "annotations", f"dcshift.gov.vn/{name}") for name in ("config", "files")
)
BY_HAND: Final[dict[str, tuple[tuple[str, ...], Any]]] = {
    "Certificate": (("spec", "secretName"), "other"),
    "Cluster": (("spec", "imagePullPolicy"), "Always"),
    "ClusterRole": (("rules",), _RULES),
    "ClusterRoleBinding": (("subjects",), _SUBJECTS),
    "ConfigMap": (("data", "alertmanager.yml"), "route: {}"),
    "CronJob": (("spec", "startingDeadlineSeconds"), 61),
    "DaemonSet": (_CONFIG, "other"),
    "Deployment": (_FILES, "other"),
    "Gateway": (("spec", "gatewayClassName"), "other"),
    "HTTPRoute": (("spec", "parentRefs"), [{**_GATEWAY, "name": "edge", "sectionName": "https"}]),
    "HorizontalPodAutoscaler": (("spec", "maxReplicas"), 9),
    "Job": (("spec", "backoffLimit"), 7),
    "LimitRange": (
        ("spec", "limits"),
        [{"type": "Container", **{each: {"cpu": "1"} for each in ("max", "default", "defaultRequest")}}],
    ),
    "Middleware": (("spec", "rateLimit", "average"), 1),
    "Namespace": (("metadata", "labels", "app.kubernetes.io/managed-by"), "hand"),
    "NetworkPolicy": (("spec", "podSelector"), {"matchLabels": {"a": "b"}}),
    "PodDisruptionBudget": (("spec", "maxUnavailable"), 2),
    "Pooler": (("spec", "type"), "ro"),
    "ResourceQuota": (("spec", "hard", "pods"), "99"),
    "Role": (("rules",), _RULES),
    "RoleBinding": (("subjects",), _SUBJECTS),
    "ScheduledBackup": (("spec", "schedule"), "0 0 2 * * *"),
    "Service": (("spec", "selector"), {"app.kubernetes.io/name": "other"}),
    "ServiceAccount": (("automountServiceAccountToken",), True),
    "StatefulSet": (_FILES, "other"),
    "ValidatingAdmissionPolicy": (("spec", "failurePolicy"), "Ignore"),
    "ValidatingAdmissionPolicyBinding": (("spec", "policyName"), "other"),
}
"""For each kind a declared field, and a value that no admission rule forbids, with what the server adds to it."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with server_for_stacks(tmp_path_factory.mktemp("drift")) as server:
        yield server


@pytest.fixture(scope="module")
def declared() -> tuple[Built, ...]:
    return representative.province()


@pytest.fixture(scope="module")
def admin(api: ApiServer, declared: tuple[Built, ...]) -> Asker:
    """The server's administrator with everything applied, each object under a manager of its own as by the engine."""
    asker = Asker(api.client, resources_of(api))
    every = [each.inputs for built in declared for each in built.objects]
    every.sort(key=lambda document: _ORDER.index(document["kind"] if document["kind"] in _ORDER else ""))
    for number, document in enumerate(every):
        answer = asker.client.patch(
            f"{asker.path(document)}/{document['metadata']['name']}",
            params={"fieldManager": f"pulumi-kubernetes-{number:08x}"},
            content=json.dumps(document),
            headers=_APPLY,
        )
        assert answer.status_code in (200, 201), (document["kind"], document["metadata"], answer.text)
    return asker


def text_of(path: tuple[str, ...]) -> str:
    """Return a field as people read it."""
    return "".join(f".{step}" if step.isalnum() else f'["{step}"]' for step in path).removeprefix(".")


def at(document: Document, path: tuple[str, ...]) -> Any:
    found: Any = document
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def chosen(declared: tuple[Built, ...]) -> dict[str, Document]:
    """Return for each kind the first object that declares the field which is changed by hand."""
    found: dict[str, Document] = {}
    for built in declared:
        for each in built.objects:
            document, kind = each.inputs, each.inputs["kind"]
            if not each.kind.endswith("Patch") and at(document, BY_HAND[kind][0]) is not None:
                found.setdefault(kind, document)
    return found


def written(admin: Asker, document: Document, value: Any) -> None:
    path, body = BY_HAND[document["kind"]][0], value
    for step in reversed(path):
        body = {step: body}
    where = f"{admin.path(document)}/{document['metadata']['name']}"
    answer = admin.client.patch(where, params={"fieldManager": HAND}, json=body, headers=_MERGE)
    assert answer.status_code == 200, (document["kind"], answer.text)


def test_one_field_of_every_kind_changed_by_hand_is_told_with_its_hand_and_nothing_else(
    api: ApiServer, admin: Asker, declared: tuple[Built, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    live = Live(cluster_api.connected())

    def told() -> list[Difference]:
        return list(differences(declared, live))

    assert told() == []
    objects = chosen(declared)
    assert objects.keys() == BY_HAND.keys() == {each.inputs["kind"] for built in declared for each in built.objects}
    for kind, document in objects.items():
        written(admin, document, BY_HAND[kind][1])
    found = {each.object.partition(" ")[0]: each for each in told()}
    assert found.keys() == objects.keys()
    for kind, each in found.items():
        path, value = BY_HAND[kind]
        assert each.object.endswith(f"{objects[kind]['metadata']['name']}"), kind
        assert (each.cls, each.field, each.manager) == (Class.DRIFT, text_of(path), HAND), kind
        assert (each.theirs, each.refuses, bool(each.when)) == (value, True, True), kind
    for kind, document in objects.items():
        # A merge would keep a key that is not ours: none of these values are maps but one.
        written(admin, document, {"matchLabels": None} if kind == "NetworkPolicy" else at(document, BY_HAND[kind][0]))
    # A list that is one field, and that the server fills up with defaults, stays a change of whoever wrote it last.
    as_left = {(kind, Class.DRIFT if kind == "HTTPRoute" else Class.SHARED) for kind in objects}
    assert {(each.object.partition(" ")[0], each.cls) for each in told()} == as_left
