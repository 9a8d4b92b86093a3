"""The layer `platform` is brought up by the real engine as its own identity, once there are identities at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra import naming
from infra.rights import kinds
from lab.api_server import ApiServer
from tests.support.api_server_kinds import server_for_stacks
from tests.support.asking import token_of
from tests.support.ups import Ended, Ups, kubeconfig_of, ups

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]
APP = "httt-portal-app"


@dataclass(frozen=True)
class Centre:
    """A server on which the administrator made the identities, and the engine that works there."""

    api: ApiServer
    ups: Ups
    keys: Path

    def up(self, stack: str, identity: str, *words: str) -> Ended:
        """Bring a stack up as an identity, with no other identity's key in reach."""
        for other in self.keys.iterdir():
            other.unlink()
        key = kubeconfig_of(self.api, identity, token_of(self.api, identity), self.keys)
        return self.ups.up(stack, key, *words)

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
    assert rest.changes["created"] > 100
    before = centre.living()
    assert ("Role", APP, "deployer") in before
    second = centre.up("platform", "platform")
    assert (second.error, set(second.changes)) == ("", {"unchanged"})
    assert centre.living() == before
