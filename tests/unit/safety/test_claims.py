"""A field that two would set is found before anything is applied, whoever the second is."""

from __future__ import annotations

from typing import Any

import pytest

from infra.errors import InfraError
from infra.safety import claims, definitions
from tests.support.declared import Built, built_once
from tests.support.states import with_changed

STACKS = ("platform", "data", "security", "portal", "feedback")


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
