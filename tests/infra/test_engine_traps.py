"""Traps of the engine and its plugin, each shown to bite and shown to be kept away from what we declare."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks as pulumi_mocks
from standin.cluster import ClusterError
from standin.difference import changes
from standin.kinds import Kind, UnsupportedError, immutable_paths, kind_of
from standin.objects import Objects, Request, manager_of
from standin.settings import refusals, settings
from standin.waiting import Waiter

from bench import province
from infra import order
from infra.config import CATALOGUE_VARIABLE
from infra.render import declared
from infra.render.declared import Built, build
from tests.support.declared import CATALOGUE, STACKS, built_once
from tests.support.fake_cluster import FakeCluster

ROOT = Path(__file__).resolve().parents[2]
Stacks = Callable[[str], Built]
Document = dict[str, Any]
CONFIG_MAP = "urn:pulumi:s::p::kubernetes:core/v1:ConfigMap::{}"


def config_map(name: str = "x") -> Request:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "ns"}, "data": {"a": "1"}}
    return Request(CONFIG_MAP.format(name), inputs, 0.2)


def objects(cluster: FakeCluster, **given: Any) -> Objects:
    return Objects(cluster, settings(given), Waiter(cluster, threading.Event()))  # type: ignore[arg-type]


def provider(built: Built) -> Document:
    (found,) = [each.inputs for each in built.resources if each.type == "pulumi:providers:kubernetes"]
    return found


# A ConfigMap that is replaced takes with it whatever mounts it.
@pytest.mark.parametrize("name", STACKS)
def test_a_changed_config_map_changes_in_place(name: str, stack: Stacks) -> None:
    told = settings(provider(stack(name)))
    old, new = {"data": {"a": "1"}}, {"data": {"a": "2"}}

    def replaces(mutable: bool) -> bool:
        kind = kind_of("kubernetes:core/v1:ConfigMap")
        rules = immutable_paths(kind, config_maps_mutable=mutable, secrets_mutable=True)
        return changes(old, new, rules)[0].replaces

    assert replaces(mutable=False), "the danger: the plugin's own default"
    assert told.config_maps_mutable
    assert told.secrets_mutable
    assert not replaces(told.config_maps_mutable)


# A network that is away must not make a state forget what it made.
class Silent(FakeCluster):
    def get(self, kind: Kind, namespace: str, name: str) -> Document | None:
        raise ClusterError(0, "the API server does not answer")


def test_what_cannot_be_reached_is_not_taken_for_gone() -> None:
    cluster = FakeCluster()
    state = objects(cluster).create(config_map(), preview=False)
    assert objects(FakeCluster()).read(config_map(), "ns/x", state) is None, "an answer that it is gone"
    with pytest.raises(ClusterError, match="does not answer"):
        objects(Silent()).read(config_map(), "ns/x", state)
    with pytest.raises(ClusterError, match="does not answer"):
        objects(Silent()).delete(config_map(), state)


@pytest.mark.parametrize("name", STACKS)
def test_no_stack_tells_its_provider_to_forget_or_to_take_over(name: str, stack: Stacks) -> None:
    given = provider(stack(name))
    assert [field for field, _ in refusals({**given, "deleteUnreachable": True})] == ["deleteUnreachable"]
    assert not given.keys() & {
        "deleteUnreachable",
        "skipUpdateUnreachable",
        "upsertExistingObjects",
        "enablePatchForce",
    }
    assert refusals(given) == []


# Charts hide their objects from rules, and drop hooks.
def test_charts_and_bundles_are_refused_and_nobody_declares_one(stack: Stacks) -> None:
    for token in ("helm.sh/v4:Chart", "helm.sh/v3:Release", "yaml/v2:ConfigGroup", "kustomize:Directory"):
        with pytest.raises(UnsupportedError):
            kind_of(f"kubernetes:{token}")
    declared_types = {each.type for name in STACKS for each in stack(name).objects}
    assert all(kind_of(each) for each in declared_types)


# An Ingress waits for an address for ever, a headless Service for pods: those that we have are not awaited.
def test_nothing_is_declared_that_the_engine_waits_for_without_end(stack: Stacks) -> None:
    kinds = {each.kind for name in STACKS for each in stack(name).objects}
    assert not kinds & {"Ingress", "PersistentVolumeClaim", "Endpoints"}
    for name in STACKS:
        for service in stack(name).of("Service"):
            assert service.inputs["spec"]["type"] == "ClusterIP"
            headless = service.inputs["spec"].get("clusterIP") == "None"
            awaited = service.inputs["metadata"].get("annotations", {}).get("pulumi.com/skipAwait") != "true"
            assert not (headless and awaited), service.inputs["metadata"]
    said = [each.inputs["metadata"].get("annotations", {}) for name in STACKS for each in stack(name).objects]
    awaited_for = [int(each["pulumi.com/timeoutSeconds"]) for each in said if "pulumi.com/waitFor" in each]
    assert awaited_for
    assert max(awaited_for) <= 600


# A patch that is deleted takes back fields that others live with.
def test_every_patch_stays_when_its_declaration_goes(stack: Stacks) -> None:
    patches = [each for name in STACKS for each in stack(name).objects if each.kind.endswith("Patch")]
    assert patches
    assert all(each.retain for each in patches)
    cluster = FakeCluster()
    urn = "urn:pulumi:s::p::kubernetes:core/v1:ServiceAccountPatch::x"
    inputs = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "ns"}}
    cluster.live["ns", "default"] = {**inputs, "metadata": {**inputs["metadata"], "uid": "1"}}  # type: ignore[dict-item]
    with pytest.raises(UnsupportedError, match="retain_on_delete"):
        objects(cluster).delete(Request(urn, inputs, 0.2), {})
    assert cluster.live


# One manager for several resources would let one of them take another's field unseen.
def test_each_resource_owns_its_fields_under_a_name_of_its_own() -> None:
    names = [manager_of(f"urn:pulumi:{stack}::dcshift::{each.type}::{each.name}")
             for stack in STACKS for each in built_once(stack).objects]  # fmt: skip
    assert len(set(names)) == len(names)
    cluster = FakeCluster()
    objects(cluster).create(config_map("one"), preview=False)
    with pytest.raises(ClusterError, match="already exists and was not created by this resource"):
        objects(cluster).create(config_map("other"), preview=False)


# A resource inside `apply` is in no preview: its trigger is not known there.
def made(*, preview: bool, inside_apply: bool) -> set[str]:
    built = Built("trap")
    monitor = declared._Monitor(built)
    declared._RUNTIME.set_root_resource(None)
    declared._MOCKS._ensure_event_loop()
    pulumi_mocks.set_mocks(declared._Mocks(), project="dcshift", stack="trap", preview=preview, monitor=monitor)

    def run() -> None:
        first = pulumi.ComponentResource("a:b:C", "first")
        trigger: pulumi.Output[str] = first.urn if not preview else pulumi.Output(
            first.urn.resources(), first.urn.future(), pulumi.Output.from_input(False).future())  # fmt: skip

        def second(_: str) -> None:
            pulumi.ComponentResource("a:b:C", "second")

        if inside_apply:
            trigger.apply(second)
        else:
            second("")

    waiting: Any = pulumi.runtime.test
    waiting(run)()
    return {each.name for each in built.resources if each.type == "a:b:C"}


def test_what_is_made_inside_apply_is_missing_from_the_preview() -> None:
    """That no stack of ours does: tests/infra/test_inventory.py compares the two of each."""
    assert made(preview=False, inside_apply=True) == {"first", "second"}
    assert made(preview=True, inside_apply=True) == {"first"}
    assert made(preview=True, inside_apply=False) == {"first", "second"}


# Mocks as the SDK has them hide what keeps data: a test of theirs would pass without any lock.
def test_what_the_mocks_hide_is_recorded_with_its_options(stack: Stacks) -> None:
    shown = {name for name in dir(pulumi_mocks.MockResourceArgs) if not name.startswith("_")}
    shown |= set(pulumi_mocks.MockResourceArgs.__annotations__)
    assert not shown & {"protect", "parent", "retain_on_delete", "ignore_changes", "urn"}
    (database, *_) = stack("data").of("Cluster")
    assert database.protect
    assert database.retain
    assert database.replaced_after_deletion
    assert "spec.bootstrap" in database.ignored
    assert database.parent.startswith("dcshift:data:PostgresCluster::")


# A plan that was saved cannot always be opened again: nothing of ours saves one.
def test_no_plan_is_saved_or_followed() -> None:
    saves = re.compile(r"--save-plan|--plan\b|save_plan|PULUMI_EXPERIMENTAL")
    files = [*sorted((ROOT / "infra").rglob("*.py")), *sorted((ROOT / "docs" / "pipelines").glob("*"))]
    assert len(files) > 50
    assert [file for file in files if saves.search(file.read_text(encoding="utf-8"))] == []


# A stack that grows with the province is slow to preview for everybody.
def test_no_stack_but_that_of_the_data_grows_with_the_province(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def size(systems: int, stack: str) -> int:
        folder = tmp_path / str(systems)
        if not folder.exists():
            province.write(folder, systems)
        monkeypatch.setenv(CATALOGUE_VARIABLE, str(folder))
        return len(build(stack, province.settings(stack, folder)).resources)

    one = province.system_ids(1)[0]
    assert size(4, one) == size(1, one) < 50
    assert size(4, order.ground(one)) == size(1, order.ground(one)) < 60
    # Its pipeline's account, in the namespace of all identities.
    assert size(4, "platform") - size(1, "platform") == 3
    assert size(1, "platform") + 30 < 300
    assert CATALOGUE.is_dir()
