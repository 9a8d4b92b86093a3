"""Which target contract stood before which is kept word for word in a real API server's audit log, under our policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra import naming
from lab.api_server import api_server
from lab.errors import LabError
from lab.target.control_plane import audit_log
from lab.toolchain import tool_path
from tests.support.declared import built_once

PLACE = "/api/v1/namespaces/httt-portal-app/configmaps"
Document = dict[str, Any]


def applied(name: str, contract: Document) -> Document:
    """Return a ConfigMap as a stack's server-side apply sends it."""
    metadata = {"name": name, "namespace": "httt-portal-app"}
    data = {"contract.json": json.dumps(contract)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_every_contract_that_a_stack_wrote_is_in_the_audit_log_with_who_and_when(tmp_path: Path) -> None:
    try:
        tool_path("kube-apiserver")
    except LabError as missing:
        pytest.skip(missing.why)
    first: Document = built_once("portal").outputs["contract"]
    second = {**first, "web": {**first["web"], "replicas": 9}}
    logged = tmp_path / "logged"
    logged.mkdir()
    with api_server(tmp_path / "server", *audit_log(logged)) as server:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "httt-portal-app"}}
        assert server.create("namespaces", namespace).status_code == 201
        for name, contract in ((naming.CONTRACT, first), ("other", first), (naming.CONTRACT, second)):
            answer = server.client.patch(
                f"{PLACE}/{name}?fieldManager=portal&force=true",
                content=json.dumps(applied(name, contract)),
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
            assert answer.status_code in (200, 201), answer.text
    events = [json.loads(line) for line in (logged / "audit.log").read_text(encoding="utf-8").splitlines()]
    maps = [event for event in events if event.get("objectRef", {}).get("resource") == "configmaps"]
    ours = [event for event in maps if event["objectRef"]["name"] == naming.CONTRACT]
    assert [json.loads(event["requestObject"]["data"]["contract.json"]) for event in ours] == [first, second]
    assert all(event["user"]["username"] and event["stageTimestamp"] for event in ours)
    assert not any("requestObject" in event for event in maps if event not in ours)
