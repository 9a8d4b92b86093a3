"""Two centres under mocks: the example province as a lab, and the same as a real one with all that levels ask for."""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.config import CATALOGUE_VARIABLE
from infra.render.representative import with_volume
from infra.rules import admission, facts, subjects
from infra.rules.facts import Facts
from infra.rules.judge import Item
from tests.support.declared import CATALOGUE, STACKS, Built, built_once

Document = dict[str, Any]
KINDS = {(k.api_version, k.name): k.resource for k in vars(subjects).values() if isinstance(k, subjects.Kind)}


@dataclass(frozen=True)
class Centre:
    """What all stacks declare, with the rules' facts and the policies written from them."""

    stacks: Mapping[str, list[Item]]
    facts: Facts
    policies: list[Document]
    bindings: list[Document]

    @functools.cached_property
    def documents(self) -> list[Document]:
        """Every object that a rule may speak of, and a bare pod of each deployment; those of systems come first."""
        found = [dict(item.document) for items in self.stacks.values() for item in items]
        known = [each for each in found if resource_of(each)]
        known.sort(key=lambda each: each["metadata"].get("namespace") not in self.facts.namespaces)
        return known + [pod_of(each) for each in known if each["kind"] == "Deployment"]


def resource_of(document: Document) -> str:
    return KINDS.get((document["apiVersion"], document["kind"]), "")


def pod_of(deployment: Document) -> Document:
    template, metadata = deployment["spec"]["template"], deployment["metadata"]
    where = {"name": metadata["name"], "namespace": metadata["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], **where}, "spec": template["spec"]}


def items_of(built: Built) -> list[Item]:
    """Return the objects in one order, their fields too: mocks hand over both in another at each run."""
    found = [Item(_sorted(o.inputs), o.item.options) for o in built.objects]
    return sorted(found, key=lambda item: item.identity)


def _sorted(document: Document) -> Document:
    made: Document = json.loads(json.dumps(document, sort_keys=True))
    return made


@functools.cache
def lab() -> Centre:
    return _centre({})


@functools.cache
def production() -> Centre:
    """The same systems where nothing is excused: an environment that is no lab, on machines that are large enough."""
    return _real(())


@functools.cache
def apart() -> Centre:
    """That centre with pools of nodes: the portal, of level 4, has its own, and feedback, of level 2, shares nodes."""
    return _real(("portal", "internet"))


def _real(pools: tuple[str, ...]) -> Centre:
    with tempfile.TemporaryDirectory() as folder:
        for file in CATALOGUE.glob("*.yaml"):
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            if file.stem == "province":
                content |= {"environment": "prod", "capacity": {"cpu": 64, "memory": "256Gi", "storage": "2Ti"}}
                content["target"] |= {"node_pools": list(pools), "shared_storage_class": "cephfs-retain"}
            else:
                content["web"]["replicas"] = 3
                # The highest level that shares a cluster: nothing that a level asks for is left out.
                content["level"] = max(content["level"], 4) if file.stem == "portal" else content["level"]
                content |= with_volume("many-pods") if file.stem == "portal" else {}
            (Path(folder) / file.name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        before = os.environ.get(CATALOGUE_VARIABLE)
        os.environ[CATALOGUE_VARIABLE] = folder
        try:
            return _centre(
                {
                    "registry": "dcshift.local",
                    "apiServer": "192.0.2.10:6443",
                    "databaseInstances": "3",
                    "release": "9",
                    "image": f"9@sha256:{'a' * 64}",
                }
            )
        finally:
            os.environ.pop(CATALOGUE_VARIABLE)
            if before is not None:
                os.environ[CATALOGUE_VARIABLE] = before


def _centre(config: dict[str, str]) -> Centre:
    built = {name: built_once(name, {**config, "migrate": "true"}) for name in STACKS}
    settings = built["platform"].settings
    assert settings
    known = facts.of(settings)
    stacks = {name: items_of(each) for name, each in built.items()}
    return Centre(stacks, known, admission.policies(known), admission.bindings())
