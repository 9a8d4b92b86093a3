"""The target contract of each system: valid, hashed, free of secrets, the same in the export and in the cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from catalogue.probes import Condition, Page, question
from catalogue.target import TargetContract, contract_hash, written_hash
from infra import order
from tests.support.declared import Built, built_once

SCHEMA = Path(__file__).resolve().parents[2] / "catalogue" / "schema" / "target.schema.json"
Stacks = Callable[[str], Built]


@pytest.mark.parametrize("name", ["portal", "feedback"])
def test_the_contract_fits_its_schema_and_its_hash(name: str, stack: Stacks) -> None:
    contract = stack(name).outputs["contract"]
    jsonschema.validate(contract, json.loads(SCHEMA.read_text()))
    TargetContract.model_validate(contract)
    assert contract["hash"] == contract_hash(contract)


@pytest.mark.parametrize("name", ["portal", "feedback"])
def test_the_cluster_holds_the_contract_that_is_exported(name: str, stack: Stacks) -> None:
    (configmap,) = stack(name).of("ConfigMap")
    assert configmap.identity == f"ConfigMap httt-{name}-app/dcshift-contract"
    assert json.loads(configmap.inputs["data"]["contract.json"]) == stack(name).outputs["contract"]


@pytest.mark.parametrize("name", ["portal", "feedback"])
def test_the_contract_names_what_the_stacks_declare(name: str, stack: Stacks) -> None:
    contract = TargetContract.model_validate(stack(name).outputs["contract"])
    declared = {d.identity for n in (order.ground(name), "data", name) for d in stack(n).objects}
    assert f"Cluster {contract.database.namespace}/{contract.database.cluster}" in declared
    assert f"Deployment {contract.web.namespace}/{contract.web.deployment}" in declared
    assert f"Service {contract.web.namespace}/{contract.web.service}" in declared
    assert f"HTTPRoute {contract.web.namespace}/{contract.web.route}" in declared
    for job in contract.jobs:
        assert f"CronJob {job.namespace}/{job.cronjob}" in declared
    assert [worker.name for worker in contract.workers] == (["notices"] if name == "portal" else [])
    for worker in contract.workers:
        assert f"StatefulSet {worker.namespace}/{worker.stateful_set}" in declared
    for namespace in (contract.namespaces.app, contract.namespaces.data):
        assert f"Namespace {namespace}" in declared
    database, route, web = [question(asked.probe) for asked in contract.readiness]
    assert database == Condition(
        "Ready", "clusters", "postgresql.cnpg.io", contract.database.namespace, contract.database.cluster
    )
    assert route == Condition(
        "Accepted", "httproutes", "gateway.networking.k8s.io", contract.web.namespace, contract.web.route
    )
    assert web == Page(contract.web.host, contract.web.health)
    assert (contract.level, contract.norms) == ({"portal": 3, "feedback": 2}[name], "vn-2016")


def test_another_release_is_another_contract(stack: Stacks) -> None:
    before = stack("portal").outputs["contract"]
    after = built_once("portal", {"release": "8.0.1"}).outputs["contract"]
    assert after["web"]["release"] == "8.0.1"
    assert before["hash"] != after["hash"]


def test_a_contract_of_before_there_were_workers_keeps_its_hash(stack: Stacks) -> None:
    older = {key: value for key, value in stack("feedback").outputs["contract"].items() if key != "workers"}
    read = TargetContract.model_validate(older)
    assert written_hash(read) == contract_hash(older) == older["hash"]


def test_arming_the_jobs_is_not_another_contract(stack: Stacks) -> None:
    assert built_once("portal", {"serves": "target"}).outputs["contract"] == stack("portal").outputs["contract"]
