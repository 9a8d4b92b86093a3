"""Each layer is brought up by the real engine as its own identity and nobody else, and goes no further than that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra import naming
from infra.rights import kinds
from lab.api_server import ApiServer
from tests.support.api_server_kinds import server_for_stacks
from tests.support.asking import token_of
from tests.support.declared import GROUNDS
from tests.support.ups import Ended, Ups, kubeconfig_of, ups

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
APP, DATA = "httt-portal-app", "httt-portal-data"
QUOTA = f"/api/v1/namespaces/{APP}/resourcequotas/quota"
GROUND = "ground.portal"


@dataclass(frozen=True)
class Centre:
    """A server on which the administrator made the identities, and the engine that works there."""

    api: ApiServer
    ups: Ups
    keys: Path

    def up(
        self, stack: str, identity: str, *words: str, more: dict[str, Any] | None = None, patches: bool = True
    ) -> Ended:
        """Bring a stack up as an identity, with nobody else's key in reach."""
        for other in self.keys.iterdir():
            other.unlink()
        key = kubeconfig_of(self.api, identity, token_of(self.api, identity), self.keys)
        return self.ups.up(stack, key, *words, more=more, patches=patches)

    def living(self) -> dict[tuple[str, str, str], str]:
        """Return every object of a kind that we declare, with what changes whenever it does."""
        found = {}
        for kind in kinds.ALL:
            root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
            for each in self.api.client.get(f"{root}/{kind.resource}").json()["items"]:
                metadata = each["metadata"]
                found[kind.name, metadata.get("namespace", ""), metadata["name"]] = metadata["resourceVersion"]
        return found


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    folder = tmp_path_factory.mktemp("layers")
    for name in ("server", "project", "keys"):
        (folder / name).mkdir()
    with server_for_stacks(folder / "server") as api, ups(folder / "project", api.kubeconfig) as process:
        yield Centre(api, process, folder / "keys")


def test_the_administrator_makes_the_identities_and_platform_everything_else(centre: Centre) -> None:
    first = centre.ups.up("platform", centre.api.kubeconfig, "--target", "**Identities**")
    assert first.error == ""
    assert ("ServiceAccount", naming.IDENTITIES, "platform") in centre.living()
    assert ("Namespace", "", APP) not in centre.living()
    rest = centre.up("platform", "platform")
    assert rest.error == ""
    assert rest.changes["created"] > 80
    for ground in GROUNDS:
        made = centre.up(ground, "platform")
        assert (made.error, set(made.changes)) == ("", {"created"})
    before = centre.living()
    assert ("Role", APP, "deployer") in before
    for stack in ("platform", GROUND):
        second = centre.up(stack, "platform")
        assert (second.error, set(second.changes)) == ("", {"unchanged"})
    assert centre.living() == before


def test_tenancy_keeps_the_ground_of_the_systems(centre: Centre) -> None:
    """Of a system that is declared with one pod more, before anything of it stands there."""
    before, quota = centre.living(), centre.api.client.get(QUOTA).json()["spec"]["hard"]
    file = centre.ups.catalogue / "portal.yaml"
    text = file.read_text(encoding="utf-8")
    assert "  replicas: 1\n" in text
    file.write_text(text.replace("  replicas: 1\n", "  replicas: 2\n"), encoding="utf-8")
    first = centre.up(GROUND, "tenancy")
    assert (first.error, set(first.changes)) == ("", {"updated", "unchanged"})
    after = centre.living()
    assert {each for each, version in after.items() if before.get(each) != version} == {("ResourceQuota", APP, "quota")}
    assert int(centre.api.client.get(QUOTA).json()["spec"]["hard"]["pods"]) > int(quota["pods"])
    second = centre.up(GROUND, "tenancy")
    assert (second.error, set(second.changes)) == ("", {"unchanged"})
    assert centre.living() == after


@pytest.mark.parametrize(
    ("stack", "identity", "made"),
    [
        ("data", "data", ("Cluster", DATA, "portal-db")),
        ("security", "security", ("DaemonSet", naming.LOG_AGENTS, naming.LOG_AGENT)),
        ("portal", "deploy-portal", ("Deployment", APP, "portal-web")),
    ],
)
def test_a_layer_is_brought_up_by_its_own_identity_and_then_there_is_nothing_to_do(
    stack: str, identity: str, made: tuple[str, str, str], centre: Centre
) -> None:
    first = centre.up(stack, identity)
    assert (first.error, set(first.changes)) == ("", {"created"})
    before = centre.living()
    assert made in before
    second = centre.up(stack, identity)
    assert (second.error, set(second.changes)) == ("", {"unchanged"})
    assert centre.living() == before


def of_another(version: str, kind: str, namespace: str, name: str, **content: Any) -> dict[str, Any]:
    """Return fields of an object that is there already and is another's."""
    # By force: who owns the fields must not be what keeps him off.
    metadata = {"name": name, "namespace": namespace, "annotations": {"pulumi.com/patchForce": "true"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
WIDENED = of_another("rbac.authorization.k8s.io/v1", "Role", APP, "viewer", rules=[ALL])
STOPPED = of_another("apps/v1", "Deployment", APP, "portal-web", spec={"replicas": 0})
OPENED = of_another("networking.k8s.io/v1", "NetworkPolicy", APP, "deny-all", spec={"podSelector": {}, "egress": [{}]})
BORROWED = of_another("v1", "ServiceAccount", APP, naming.MIGRATOR, automountServiceAccountToken=True)
SHUT = of_another("postgresql.cnpg.io/v1", "Cluster", DATA, "portal-db", spec={"instances": 2})


@pytest.mark.parametrize(
    ("identity", "stack", "more"),
    [
        # What he may see and not change, too: there it is the writing that is refused.
        ("tenancy", GROUND, WIDENED),
        ("data", "data", STOPPED),
        ("security", "security", OPENED),
        ("deploy-portal", "portal", BORROWED),
        ("deploy-portal", "portal", SHUT),
    ],
    ids=["tenancy a role", "data a workload", "security a policy", "a pipeline an account", "a pipeline a database"],
)
def test_a_program_that_touches_anothers_object_is_refused_by_the_server(
    identity: str, stack: str, more: dict[str, Any], centre: Centre
) -> None:
    before = centre.living()
    assert (more["kind"], more["metadata"]["namespace"], more["metadata"]["name"]) in before
    refused(centre.up(stack, identity, more=more), identity, more["metadata"]["name"])
    assert centre.living() == before


def refused(ended: Ended, identity: str, name: str | None = None) -> None:
    """Fail unless it was the server that refused, and refused this object to this identity."""
    words = f'is forbidden: User "{naming.identity_user(identity)}" cannot '
    assert (f'"{name}" {words}' if name else words) in ended.error


def test_a_pipeline_that_is_set_to_another_system_is_refused_by_the_server(centre: Centre) -> None:
    """By one setting its stack would become another system's: that would be made, and its own taken away."""
    before, file = centre.living(), centre.ups.settings("portal")
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    assert "config:" not in text
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}config:\n  dcshift:system: feedback\n", encoding="utf-8")
    tried = centre.up("portal", "deploy-portal")
    refused(tried, "deploy-portal")
    assert 'in the namespace "httt-feedback-app"' in tried.error
    file.write_text(text, encoding="utf-8")
    assert centre.living() == before
    again = centre.up("portal", "deploy-portal")
    assert again.error == ""
    assert centre.living() == before
