"""The migration's own account asks a real API server what a contract calls readiness, of objects that are declared."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from catalogue.probes import Condition, question
from catalogue.target import Readiness, TargetContract
from infra import naming
from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.readiness import TargetReadiness
from tests.support.api_server_kinds import server_with_kinds
from tests.support.asking import Asker, resources_of, with_token
from tests.support.centre_server import APP, DATA, documents
from tests.support.declared import built_once

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
MERGE = {"Content-Type": "application/merge-patch+json"}
_RIGHTS = ("Namespace", "ServiceAccount", "Role", "RoleBinding")


@pytest.fixture(scope="module")
def contract() -> TargetContract:
    """The portal's contract with what it asks of the cluster; its page has no door here."""
    made = TargetContract.model_validate(built_once("portal").outputs["contract"])
    return made.model_copy(update={"readiness": made.readiness[:2]})


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asker, KubernetesCluster]]:
    """The server's administrator with the portal's ground made, and the cluster as the migration's account sees it."""
    folder = tmp_path_factory.mktemp("readiness")
    with server_with_kinds(folder) as api:
        asker = Asker(api.client, resources_of(api))
        for document in documents("ground.portal"):
            metadata = document["metadata"]
            if document["kind"] in _RIGHTS and {metadata["name"], metadata.get("namespace")} & {APP, DATA}:
                assert asker.apply(document).status_code in (200, 201)
        with with_token(api, naming.MIGRATOR, APP) as lent:
            config = json.loads(api.kubeconfig.read_text())
            config["users"][0]["user"] = {"token": lent.client.headers["Authorization"].removeprefix("Bearer ")}
            (folder / "migrator").write_text(json.dumps(config))
            yield asker, KubernetesCluster(folder / "migrator")


def test_what_is_declared_is_ready_when_its_controller_says_so(
    admin: tuple[Asker, KubernetesCluster], contract: TargetContract
) -> None:
    asker, cluster = admin

    def told() -> dict[str, str]:
        return {each.where: each.code for each in TargetReadiness(contract, cluster, None).findings()}

    assert told() == {"portal/database": "target-object-missing", "portal/route": "target-object-missing"}
    for document in (*documents("data"), *documents("portal")):
        if document["kind"] in ("Cluster", "HTTPRoute") and document["metadata"]["namespace"] in (APP, DATA):
            assert asker.apply(document).status_code in (200, 201)
    assert told() == {"portal/database": "target-not-ready", "portal/route": "target-not-ready"}
    for asked in (question(each.probe) for each in contract.readiness):
        assert isinstance(asked, Condition)
        said = {"type": asked.type, "status": "True", "reason": "x", "message": ""}
        conditions = {"conditions": [{**said, "lastTransitionTime": "2026-11-24T10:00:00Z"}]}
        parent = {"parentRef": {"name": "internet"}, "controllerName": "traefik.io/gateway-controller", **conditions}
        status = conditions if asked.resource == "clusters" else {"parents": [parent]}
        where = f"/apis/{asked.group}/v1/namespaces/{asked.namespace}/{asked.resource}/{asked.name}/status"
        answer = asker.client.patch(where, json={"status": status}, headers=MERGE)
        assert answer.status_code == 200, answer.text
    assert told() == {}


def test_what_the_account_may_not_see_is_not_taken_for_ready(
    admin: tuple[Asker, KubernetesCluster], contract: TargetContract
) -> None:
    other = Condition("Ready", "clusters", "postgresql.cnpg.io", "httt-feedback-data", "feedback-db")
    asked = contract.model_copy(update={"readiness": [Readiness(name="database", probe=str(other), expect="True")]})
    (told,) = TargetReadiness(asked, admin[1], None).findings()
    assert told.code == "target-refuses-us"
