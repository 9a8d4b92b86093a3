"""A field that two would set is found before anything is applied, whoever the second is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.errors import InfraError
from infra.safety import claims, definitions, operators
from tests.support.declared import STACKS, Built, built_once
from tests.support.states import with_changed

ROOT = Path(__file__).parents[3]


def every(**instead: Built) -> list[Built]:
    return [instead.get(stack) or built_once(stack, {"migrate": "true"}) for stack in STACKS]


def test_no_field_of_the_centre_has_two_owners_but_those_that_were_agreed_to() -> None:
    assert list(claims.conflicts(every())) == []
    agreed = {(each.object.partition(" ")[0], each.field) for each in claims.claims(every()) if "migration" in each.who}
    assert agreed == set(claims.AGREED)


def test_a_number_of_pods_beside_an_autoscaler_is_told_with_both_owners() -> None:
    greedy = with_changed(built_once("portal"), "Deployment", lambda inputs: inputs["spec"].update(replicas=2))
    assert list(claims.conflicts(every(portal=greedy))) == [
        "Deployment httt-portal-app/portal-web spec.replicas: portal/deployment/web of stack portal and the autoscaler"
    ]
    with pytest.raises(InfraError) as refused:
        claims.refuse(every(portal=greedy))
    assert refused.value.code == "field-claimed-twice"


def test_what_one_stack_and_the_migration_agreed_on_is_no_agreement_of_two_stacks() -> None:
    portal = built_once("portal")
    (worker,) = portal.of("StatefulSet")
    found = list(claims.conflicts([portal, Built("other", [worker], {}, portal.settings)]))
    about = "StatefulSet httt-portal-app/portal-worker-notices spec.replicas:"
    (told,) = [each for each in found if each.startswith(about)]
    assert "stack other" in told
    assert "stack portal" in told


def test_one_object_in_two_stacks_is_told_field_by_field() -> None:
    portal = built_once("portal")
    (service,) = portal.of("Service")
    other = Built("other", [service], {}, portal.settings)
    both = "portal/service/web of stack other and portal/service/web of stack portal"
    assert f"Service httt-portal-app/portal-web spec.type: {both}" in list(claims.conflicts([portal, other]))


def test_the_whole_around_a_field_counts_as_a_claim_of_it() -> None:
    portal = built_once("portal")
    (service,) = portal.of("Service")

    def emptied(inputs: dict[str, Any]) -> None:
        inputs.clear()
        inputs.update(kind="Service", metadata={"name": "portal-web", "namespace": "httt-portal-app"}, spec={})

    other = with_changed(Built("other", [service], {}, portal.settings), "Service", emptied)
    found = list(claims.conflicts([portal, other]))
    assert any("spec.ports: portal/service/web of stack other and" in each for each in found)


def planted(stack: str, kind: str, change: Callable[[dict[str, Any]], None]) -> list[str]:
    """Return the conflicts of the centre in which one object of a stack was changed."""
    return list(claims.conflicts(every(**{stack: with_changed(built_once(stack), kind, change)})))


def renamed(kind: str, name: str, namespace: str) -> Callable[[dict[str, Any]], None]:
    def change(inputs: dict[str, Any]) -> None:
        inputs["kind"], inputs["metadata"]["name"], inputs["metadata"]["namespace"] = kind, name, namespace

    return change


@pytest.mark.parametrize(
    ("stack", "kind", "change", "field", "who"),
    [
        ("data", "Cluster", lambda d: d["spec"]["postgresql"]["parameters"].update(archive_mode="off"),
         "spec.postgresql.parameters.archive_mode", operators.DATABASES),
        ("data", "Cluster", lambda d: d["spec"]["postgresql"].update(parameters={"port": "5433"}),
         "spec.postgresql.parameters.port", operators.DATABASES),
        ("data", "Cluster", lambda d: d["spec"].update(monitoring={"customQueriesConfigMap": [{"name": "own"}]}),
         "spec.monitoring.customQueriesConfigMap", operators.DATABASES),
        ("data", "Cluster", lambda d: d["spec"].update(maxSyncReplicas=1), "spec.instances", operators.DATABASES),
        ("data", "Cluster", lambda d: d.update(status={"phase": "x"}), "status.phase", operators.CONTROLLER),
        ("data", "Pooler", lambda d: d.update(status={"instances": 1}), "status.instances", operators.CONTROLLER),
        ("data", "Service", renamed("Service", "portal-db-rw", "httt-portal-data"), "spec.ports", operators.DATABASES),
        ("data", "Service", renamed("Service", "portal-db-pooler", "httt-portal-data"), "spec.ports",
         operators.DATABASES),
        ("portal", "Service", renamed("Secret", "edge-tls", "dcshift-edge"), "metadata.labels", operators.CERTIFICATES),
        ("platform", "Gateway", lambda d: d.update(status={"addresses": []}), "status.addresses", operators.CONTROLLER),
        ("portal", "HTTPRoute", lambda d: d.update(status={"parents": []}), "status.parents", operators.CONTROLLER),
        ("platform", "Certificate", lambda d: d.update(status={"revision": 1}), "status.revision",
         operators.CONTROLLER),
        ("portal", "Deployment",
         lambda d: d["metadata"].update(annotations={"deployment.kubernetes.io/revision": "1"}),
         "metadata.annotations.deployment.kubernetes.io/revision", operators.DEPLOYMENTS),
    ],
)  # fmt: skip
def test_a_field_that_an_operator_writes_too_is_told_with_both_owners(
    stack: str, kind: str, change: Callable[[dict[str, Any]], None], field: str, who: str
) -> None:
    found = planted(stack, kind, change)
    assert any(f" {field}" in each and who in each and f"of stack {stack}" in each for each in found), found


def test_what_an_operator_only_fills_in_belongs_to_whom_says_it() -> None:
    def said(inputs: dict[str, Any]) -> None:
        inputs["spec"]["monitoring"] = {"customQueriesConfigMap": [{"name": "own"}], "disableDefaultQueries": True}
        inputs["spec"]["postgresql"]["parameters"]["max_connections"] = "50"
        inputs["spec"]["logLevel"] = "debug"

    assert planted("data", "Cluster", said) == []


def test_what_operators_write_was_read_from_the_versions_that_the_lab_builds() -> None:
    """Another version writes other fields: read its sources again, then name it in `READ_FROM`."""
    for tool, module in operators.READ_FROM.items():
        assert module in (ROOT / "tools" / tool / "go.mod").read_text(encoding="utf-8"), tool


def test_the_settings_that_are_the_operators_own_are_those_of_its_source() -> None:
    module, version = operators.READ_FROM["cnpg-manager"].split()
    source = Path.home() / "go" / "pkg" / "mod" / f"{module}@{version}" / "pkg" / "postgres" / "configuration.go"
    if not source.is_file():
        pytest.skip(f"lacks the operator's source: {source}")
    block = source.read_text(encoding="utf-8").partition("FixedConfigurationParameters = map")[2].partition("\n\t}")[0]
    assert set(re.findall(r'^\t\t"([^"]+)":', block, re.MULTILINE)) == operators.FIXED_PARAMETERS


def definition(group: str, kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"x.{group}"},
        "spec": {"group": group, "names": {"kind": kind, "plural": "x"}},
    }


def defining(stack: str, group: str, kind: str) -> Built:
    """Return a stack that defines a kind too."""
    built = built_once(stack)
    (first, *_) = built.objects

    def become(inputs: dict[str, Any]) -> None:
        inputs.clear()
        inputs.update(definition(group, kind))

    token = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
    single = with_changed(Built(stack, [first], {}, built.settings), first.kind, become, type=token)
    return Built(stack, [*built.resources, *single.resources], built.outputs, built.settings)


def test_a_kind_is_defined_in_the_platform_and_used_in_a_later_stack_only() -> None:
    assert list(definitions.misplaced(every())) == []
    assert list(definitions.misplaced(every(platform=defining("platform", "postgresql.cnpg.io", "Cluster")))) == []
    late = defining("data", "postgresql.cnpg.io", "Cluster")
    assert sorted(definitions.misplaced([late])) == [
        "stack data: Cluster httt-feedback-data/feedback-db is of a kind that this stack itself defines",
        "stack data: Cluster httt-portal-data/portal-db is of a kind that this stack itself defines",
        "stack data: CustomResourceDefinition x.postgresql.cnpg.io belongs to platform",
    ]
    both = defining("platform", "gateway.networking.k8s.io", "Gateway")
    with pytest.raises(InfraError, match="could not be previewed") as refused:
        definitions.refuse([both])
    assert "Gateway dcshift-edge/edge is of a kind that this stack itself defines" in refused.value.why
