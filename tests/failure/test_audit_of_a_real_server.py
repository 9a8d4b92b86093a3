"""A real API server under our audit policy, and the whole way of its log: who touched a Secret is known in seconds."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from lab.api_server import api_server
from lab.errors import LabError
from lab.target.control_plane import audit_log
from lab.toolchain import tool_path
from tests.support.log_pipeline import Pipeline, wait

WORTH = "worth-hiding-4711"
SECRETS = "/api/v1/namespaces/default/secrets"


def test_a_secret_that_was_read_shows_at_the_monitoring_centre_with_who_it_was_and_without_its_content(
    tmp_path: Path,
) -> None:
    try:
        tool_path("kube-apiserver")
    except LabError as missing:
        pytest.skip(missing.why)
    pipeline = Pipeline(tmp_path / "pipeline")
    try:
        pipeline.start("soc", "nation", "connector", "relay", "agent")
        with api_server(tmp_path, *audit_log(pipeline.folder / "logs")) as server:
            made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "default"}}
            assert server.create("secrets", made | {"stringData": {"password": WORTH}}).status_code == 201
            role = {"metadata": {"name": "wide"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
            role |= {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
            assert server.create("clusterroles", role).status_code == 201
            allowed = {"Impersonate-User": "nguyen.van.a", "Impersonate-Group": "system:masters"}
            read = server.client.get(f"{SECRETS}/login", headers=allowed)
            assert base64.b64decode(read.json()["data"]["password"]).decode() == WORTH
            refused = server.client.get(SECRETS, headers={"Impersonate-User": "pham.thi.b"})
            assert refused.status_code == 403

            def told(*words: str) -> bool:
                return any(all(word in line for word in words) for line in pipeline.received())

            seconds = wait(
                "both at the monitoring centre",
                lambda: told("nguyen.van.a", '"name":"login"', '"verb":"get"') and told("pham.thi.b", '"code":403'),
            )
            print(f"both known {seconds:.1f} s after they were done")
            wait("the role, word for word", lambda: told('"name":"wide"', '"requestObject"', '"verbs":["*"]'))
            asked = ('"get secrets"', '"list secrets"')
            wait("the nation's part", lambda: all(kind in "".join(pipeline.received("nation")) for kind in asked))
        lines, nation = pipeline.received(), "\n".join(pipeline.received("nation"))
        assert not [line for line in lines if WORTH in line or base64.b64encode(WORTH.encode()).decode() in line]
        noise = ('"resource":"leases"', '"requestURI":"/readyz', '"requestURI":"/api/v1/namespaces?')
        assert not [line for line in lines if any(word in line for word in noise)]
        assert '"list secrets", "system":"centre", "severity":"warning"' in nation
        assert not [word for word in ("nguyen", "pham", "login", "wide", "127.0.0.1") if word in nation]
    finally:
        pipeline.stop_all()
