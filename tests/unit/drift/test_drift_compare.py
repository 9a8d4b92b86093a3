"""What was changed by hand is found in every declared field, with who did it; what nobody changed is not told."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from infra.drift.compare import Class, Difference, compare
from infra.drift.managers import behind
from tests.support.declared import STACKS, built_once
from tests.support.owned_object import Document, OwnedObject, Path, can_change, leaf_paths

OURS = "pulumi-kubernetes-standin-0a1b2c3d"
HANDS = (
    "kubectl-edit",
    "kubectl-client-side-apply",
    "dcshift-migrator",
    "manager",
    "kube-controller-manager",
    "argocd",
)
ROUNDS = 2000
SEED = 20261130


def documents() -> list[Document]:
    return [each.inputs for stack in STACKS for each in built_once(stack).objects if not each.kind.endswith("Patch")]


def found(document: Document, live: Document | None) -> list[Difference]:
    return list(compare("a-stack", "an object", document, live))


def one(kind: str) -> Document:
    """Return an object of this kind of the portal's."""
    return next(d for d in documents() if d["kind"] == kind and d["metadata"]["namespace"].startswith("httt-portal-"))


def other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}x"
        case list():
            return [*value, *value] or ["x"]
        case _:
            return {"x": "y"}


def text_of(path: Path) -> str:
    """Return the last name in a path, which the sentence must end with."""
    return path[-1][2:]


def test_an_object_as_it_was_applied_has_no_difference() -> None:
    every = documents()
    assert len(every) > 130
    for document in every:
        assert found(document, OwnedObject(document, OURS).live) == [], document["metadata"]


def test_every_change_by_hand_is_found_at_its_field_and_attributed_to_its_hand() -> None:
    """Any field of any object, changed by anybody: 100 % found, none attributed to another, nothing else told."""
    dice, every = random.Random(SEED), documents()
    for _ in range(ROUNDS):
        document, hand = dice.choice(every), dice.choice(HANDS)
        path = dice.choice(sorted(filter(can_change, leaf_paths(document))))
        kept = OwnedObject(document, OURS)
        was = kept.value(path)
        kept.update(path, other(was), hand)
        (told,) = found(document, kept.live)
        assert (told.cls, told.manager, told.ours, told.theirs) == (Class.DRIFT, hand, was, other(was))
        assert text_of(path) in told.field
        assert told.when == "2026-11-30T00:01:00Z"
        assert told.refuses


def test_a_field_that_was_taken_away_is_found_and_its_hand_is_a_guess() -> None:
    dice, every = random.Random(SEED), documents()
    for _ in range(ROUNDS // 4):
        document, hand = dice.choice(every), dice.choice(HANDS)
        kept = OwnedObject(document, OURS)
        # An empty list and none are one: the server does not keep it.
        path = dice.choice(sorted(each for each in leaf_paths(document) if can_change(each) and kept.value(each) != []))
        kept.remove(path, hand)
        (told,) = found(document, kept.live)
        assert (told.cls, told.manager, told.theirs) == (Class.DRIFT, hand, None)
        assert not told.held
        assert told.who.startswith("perhaps ")
        assert not told.refuses


def test_an_element_of_a_list_that_was_taken_away_is_told_as_one() -> None:
    document = one("Deployment")
    kept = OwnedObject(document, OURS)
    where = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"web"}', "f:env", 'k:{"name":"PGHOST"}')
    assert [each for each in leaf_paths(document) if each[: len(where)] == where]
    kept.remove(where, "kubectl-edit")
    (told,) = found(document, kept.live)
    assert (told.field, told.manager) == ("spec.template.spec.containers[web].env[PGHOST]", "kubectl-edit")


def test_what_somebody_put_into_a_list_of_ours_is_told_and_is_left_by_an_up() -> None:
    """The danger: a container or a variable beside ours changes no field that is declared."""
    document = one("Deployment")
    kept = OwnedObject(document, OURS)
    containers = ("f:spec", "f:template", "f:spec", "f:containers")
    kept.add((*containers, 'k:{"name":"miner"}'), {"name": "miner", "image": "x"}, "kubectl-edit")
    kept.add(
        (*containers, 'k:{"name":"web"}', "f:env", 'k:{"name":"DEBUG"}'), {"name": "DEBUG", "value": "1"}, "argocd"
    )
    told = {each.field: each for each in found(document, kept.live)}
    env, miner = (f"spec.template.spec.containers[{each}]" for each in ("web].env[DEBUG", "miner"))
    assert {field: (each.cls, each.manager, each.refuses) for field, each in told.items()} == {
        env: (Class.DRIFT, "argocd", False),
        miner: (Class.DRIFT, "kubectl-edit", False),
    }
    assert told[miner].theirs == {"name": "miner", "image": "x"}


def test_an_element_that_we_declare_no_more_is_pending() -> None:
    document = copy.deepcopy(one("Deployment"))
    kept = OwnedObject(document, OURS)
    gone = document["spec"]["template"]["spec"]["containers"][0]["env"].pop()
    (told,) = found(document, kept.live)
    assert (told.cls, told.field) == (Class.PENDING, f"spec.template.spec.containers[web].env[{gone['name']}]")


def test_an_empty_list_that_the_server_does_not_keep_is_no_difference() -> None:
    document = copy.deepcopy(one("NetworkPolicy"))
    kept = OwnedObject(document, OURS)
    document["spec"]["ingress"] = []
    live = {**kept.live, "spec": {key: value for key, value in kept.live["spec"].items() if key != "ingress"}}
    assert found(document, live) == []


def test_an_object_that_is_gone_is_told() -> None:
    (told,) = found(one("Service"), None)
    assert (told.cls, told.field) == (Class.GONE, "the whole object")


def test_what_we_declare_and_have_not_applied_is_no_drift() -> None:
    document = copy.deepcopy(one("HorizontalPodAutoscaler"))
    kept = OwnedObject(document, OURS)
    document["spec"]["maxReplicas"] += 1
    document["spec"]["behavior"] = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    assert {(each.cls, each.field) for each in found(document, kept.live)} == {
        (Class.PENDING, "spec.maxReplicas"),
        (Class.PENDING, "spec.behavior"),
    }


def test_a_number_of_pods_beside_an_autoscaler_is_a_conflict_before_it_is_applied() -> None:
    """The danger: a stack that declares what the autoscaler sets is refused at every deployment, or undoes it."""
    document = one("Deployment")
    kept = OwnedObject(document, OURS)
    kept.update(("f:spec", "f:replicas"), 5, "kube-controller-manager")
    assert found(document, kept.live) == []
    greedy = {**document, "spec": {**document["spec"], "replicas": 2}}
    (told,) = found(greedy, kept.live)
    assert (told.field, told.ours, told.theirs, told.refuses) == ("spec.replicas", 2, 5, True)
    assert told.who == "kube-controller-manager (a controller of Kubernetes, such as the autoscaler)"


def test_what_the_migration_set_is_a_conflict_until_the_stack_says_the_same() -> None:
    job = one("CronJob")
    kept = OwnedObject(job, OURS)
    kept.update(("f:spec", "f:suspend"), False, "dcshift-migrator")
    (told,) = found(job, kept.live)
    assert (told.field, told.who, told.refuses) == ("spec.suspend", "dcshift-migrator (the migration)", True)
    agreed = {**job, "spec": {**job["spec"], "suspend": False}}
    assert [each.cls for each in found(agreed, kept.live)] == [Class.SHARED]


def test_a_field_that_two_hold_is_told_though_it_is_as_declared() -> None:
    document = one("ResourceQuota")
    kept = OwnedObject(document, OURS)
    kept.apply_too(("f:spec", "f:hard", "f:pods"), "restore-tool")
    (told,) = found(document, kept.live)
    assert (told.cls, told.field, told.manager) == (Class.SHARED, "spec.hard.pods", "restore-tool")


def test_amounts_written_another_way_and_what_the_server_adds_are_no_drift() -> None:
    document = one("Cluster")
    kept = OwnedObject(document, OURS)
    live = kept.live
    live["spec"]["resources"] = copy.deepcopy(live["spec"]["resources"])
    cpu = live["spec"]["resources"]["limits"]["cpu"]
    live["spec"]["resources"]["limits"]["cpu"] = (
        f"{int(cpu.removesuffix('m')) // 1000}" if cpu.endswith("m") else f"{cpu}000m"
    )
    live["spec"] |= {"logLevel": "info"}
    live["status"] = {"phase": "healthy"}
    assert live["spec"]["resources"] != document["spec"]["resources"]
    assert found(document, live) == []


@pytest.mark.parametrize(
    ("manager", "who"),
    [
        (OURS, "our stacks"),
        ("kubectl-edit", "a person at the command line"),
        ("dcshift-migrator", "the migration"),
        ("argocd", "somebody unknown"),
        ("managerial", "somebody unknown"),
    ],
)
def test_a_name_says_who_that_is_as_far_as_it_is_known(manager: str, who: str) -> None:
    assert behind(manager) == who
