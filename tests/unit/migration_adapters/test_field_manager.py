"""What the migration writes in the cluster carries its own name there: a real API server says who set which field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.api_server import api_server
from lab.errors import LabError
from lab.toolchain import tool_path
from migration.adapters.kubernetes import KubernetesCluster

_POD: dict[str, Any] = {"restartPolicy": "Never", "containers": [{"name": "job", "image": "example.invalid/job:1"}]}
_JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly", "namespace": "default"},
    "spec": {"schedule": "0 1 * * *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": _POD}}}},
}


def test_fields_that_the_migration_sets_are_its_own(tmp_path: Path) -> None:
    try:
        tool_path("kube-apiserver")
    except LabError as missing:
        pytest.skip(missing.why)
    with api_server(tmp_path) as server:
        assert server.create("cronjobs", _JOB).status_code == 201
        cluster = KubernetesCluster(server.kubeconfig)
        cluster.set_cronjob_suspended("default", "nightly", False)
        cluster.write_secret("default", "login", {"username": "one"})
        cluster.write_secret("default", "login", {"username": "two"})
        for path, field in (
            ("/apis/batch/v1/namespaces/default/cronjobs/nightly", "f:suspend"),
            ("/api/v1/namespaces/default/secrets/login", "f:username"),
        ):
            managed = server.client.get(path).json()["metadata"]["managedFields"]
            owners = {entry["manager"] for entry in managed if field in str(entry["fieldsV1"])}
            assert owners == {"dcshift-migrator"}, path
