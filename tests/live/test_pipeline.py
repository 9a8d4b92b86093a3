"""A pipeline on a runner that knows nothing: the templates' own lines, a fresh clone, a shared state, a lent identity.

A real API server, the real engine, a state in a real PostgreSQL. Nothing runs on the cluster: that what was rolled
out came up is said by `rolled_out`, and what citizens see by a door that asks which release is deployed.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.api_server import ApiServer
from lab.errors import LabError
from lab.loopback import HOST as HOST_OF_STATES
from lab.loopback import free_ports
from lab.postgres_server import PostgresServer, binaries
from lab.toolchain import tool_path
from tests.support.centre_server import APP, centre_server
from tests.support.citizens_door import ADDRESS, door
from tests.support.clone import Clone
from tests.support.declared import CATALOGUE
from tests.support.pipelines import github, gitlab, run
from tests.support.project import BIN
from tests.support.rollouts import rolled_out

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
GOOD, BAD = (f"sha256:{digit * 64}" for digit in "1f")
PHRASE = "a phrase of this test"
PASSWORD = "correct-horse-battery"
HOST = "dichvucong.khanhhoa.example"


@dataclass
class Site:
    """Everything that is not on a runner: cluster, state, catalogue, and what a pipeline is given of them."""

    api: ApiServer
    folder: Path
    given: dict[str, str]
    lines: list[str] = field(default_factory=list)

    def read(self, path: str) -> Any:
        answer = self.api.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def image(self) -> str:
        found = self.read(f"/apis/apps/v1/namespaces/{APP}/deployments/portal-web")
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    @property
    def release(self) -> str:
        kept = self.read(f"/api/v1/namespaces/{APP}/configmaps/dcshift-contract")["data"]["contract.json"]
        return str(json.loads(kept)["web"]["release"])

    def suspended(self) -> set[bool]:
        found = self.read(f"/apis/batch/v1/namespaces/{APP}/cronjobs")["items"]
        return {bool(each["spec"].get("suspend")) for each in found}

    def runner(self, name: str) -> tuple[Clone, Path]:
        """Return a fresh clone, and the folder of a fresh job."""
        place = self.folder / name
        (place / "job").mkdir(parents=True)
        return Clone.make(place / "dcshift"), place / "job"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A centre whose portal was applied once, by hand, on another machine; its jobs run at the target."""
    try:
        tool_path("pulumi")
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        api = stack.enter_context(centre_server(folder / "api")).api
        stack.enter_context(rolled_out(api, APP))
        made = Site(api, folder, {})
        authority = stack.enter_context(door(folder, HOST, lambda: 500 if made.image.endswith(BAD) else 200))
        shutil.copytree(CATALOGUE, folder / "catalogue")
        province = folder / "catalogue" / "province.yaml"
        text = province.read_text(encoding="utf-8")
        province.write_text(
            text.replace("gateway_address: 192.0.2.10", f"gateway_address: {ADDRESS}"), encoding="utf-8"
        )
        made.given |= {
            "DCSHIFT_CATALOGUE": str(folder / "catalogue"),
            "DCSHIFT_CA": str(authority),
            "PULUMI_BACKEND_URL": stack.enter_context(states()),
            "PULUMI_CONFIG_PASSPHRASE": PHRASE,
            "PULUMI_HOME": str(folder / "home"),
        }
        applied_by_hand(made)
        yield made


@contextmanager
def states() -> Iterator[str]:
    """Yield the address of a database for states, with its password in it."""
    programs = binaries()
    if programs is None:
        pytest.skip("lacks a PostgreSQL server")
    with tempfile.TemporaryDirectory(prefix="dcshift-states-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server may be another user
        server = PostgresServer(Path(folder) / "server", programs[-1], free_ports(1)[0], PASSWORD, {"fsync": "off"})
        server.start()
        try:
            yield f"postgres://postgres:{PASSWORD}@{HOST_OF_STATES}:{server.port}/postgres?sslmode=disable"
        finally:
            server.stop()


def applied_by_hand(site: Site) -> None:
    workstation, here = site.runner("workstation")
    admin = {**site.given, "KUBECONFIG": str(site.api.kubeconfig)}
    said = workstation.run([BIN / "dcshift", "--json", "env"], admin)
    admin |= json.loads(said.stdout)
    for words in (
        ["stack", "init", "portal"],
        ["config", "set", "dcshift:serves", "target", "--stack", "portal"],
        ["up", "--yes", "--skip-preview", "--stack", "portal", "--suppress-outputs"],
    ):
        done = workstation.run([BIN / "pulumi", "--non-interactive", *words], admin, seconds_max=600)
        assert done.returncode == 0, done.stdout + done.stderr
    lent = site.folder / "deploy-portal.kubeconfig"
    done = workstation.run([BIN / "dcshift", "identity", "deploy-portal", "--output", lent], admin, cwd=here)
    assert done.returncode == 0, done.stderr
    site.given["KUBECONFIG"] = str(lent)


def test_gitlabs_lines_show_what_changes_and_deploy_it(site: Site) -> None:
    clone, here = site.runner("gitlab")
    variables = {**site.given, "CI_COMMIT_TAG": "8.0.1", "IMAGE_DIGEST": GOOD}
    ((line, environment),) = gitlab("preview", variables)
    status, said, told = run(clone, line, environment, here)
    assert status == 0, told
    image = "  spec.template.spec.containers[web].image: dcshift.local/portal:5.2.8 → "
    assert f"update Deployment {APP}/portal-web\n" in said
    assert f"{image}dcshift.local/portal@{GOOD}\n" in said
    for told_of in ("catalogue: no fault", "objects keeps every rule", "/api/v1/nodes could not be read", "settings: "):
        assert told_of in told
    assert site.image.endswith("portal:5.2.8")
    ((line, environment),) = gitlab("deploy", variables)
    status, _, told = run(clone, line, environment, here)
    assert status == 0, told
    deployed = json.loads((here / "deployment.json").read_text())
    assert (deployed["release"], site.release, site.image) == ("8.0.1", "8.0.1", f"dcshift.local/portal@{GOOD}")
    assert {"field": image.strip().partition(":")[0], "old": "dcshift.local/portal:5.2.8"}.items() <= next(
        field for each in deployed["preview"]["objects"] for field in each["fields"] if "web].image" in field["field"]
    ).items()
    assert site.suspended() == {False}, "that the target runs the jobs was known to no file of this runner"
    for secret in (PHRASE, PASSWORD):
        assert secret not in said + told


def test_githubs_steps_put_back_what_citizens_would_see_fail_on_a_runner_that_never_deployed(site: Site) -> None:
    clone, here = site.runner("github")
    inputs = {"release": "9.9.9", "image": BAD}
    secrets = {
        **{name: value for name, value in site.given.items() if name.startswith("PULUMI_")},
        "KUBECONFIG": Path(site.given["KUBECONFIG"]).read_text(),
        "CA": Path(site.given["DCSHIFT_CA"]).read_text(),
    }
    of_runner = {name: value for name, value in site.given.items() if name == "DCSHIFT_CATALOGUE"}
    before, ends = (site.image, site.release), []
    for line, environment in github(inputs, secrets, here):
        status, _, told = run(clone, line, {**of_runner, "PULUMI_HOME": site.given["PULUMI_HOME"], **environment}, here)
        ends.append(status)
    assert ends == [0, 0, 1], told
    fault = json.loads(told.splitlines()[-1])["error"]
    assert fault["code"] == "deployment-rolled-back", fault
    assert "answered 500" in fault["why"]
    # Known to nothing on this runner: to the history of the state, or to the contract where nobody deployed before.
    assert fault["state"] == f"release {before[1]} serves again, and answers as it did"
    assert (site.image, site.release) == before
    assert site.suspended() == {False}
    assert not (clone.folder / "build" / "pulumi" / "config").exists()
    for secret in (PHRASE, PASSWORD):
        assert secret not in told


def test_nothing_is_tried_where_no_release_ever_came_up(site: Site, tmp_path: Path) -> None:
    clone, here = site.runner("lost")
    elsewhere = {**site.given, "PULUMI_BACKEND_URL": "file://states"}
    (here / "states").mkdir()
    before = site.image
    words = ["deploy", "portal", "--release", "8.0.2", "--image", GOOD]
    done = clone.run([BIN / "dcshift", *words], elsewhere, cwd=here)
    assert done.returncode == 1
    assert "no stack named 'portal' found" in done.stderr
    # Where the runner stands, and not where pulumi works.
    assert [each.name for each in (here / "states").iterdir()] == [".pulumi"]
    assert site.image == before
