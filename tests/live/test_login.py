"""People and pipelines by tokens of a login of the site's own, with the API server configured as the page says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalogue.load import load
from infra import naming
from infra.rights.identities import everyone
from lab.errors import LabError
from lab.toolchain import tool_path
from tests.support.centre_server import APP, DATA, documents, founded, of_kind
from tests.support.commands import run
from tests.support.declared import CATALOGUE
from tests.support.entered import Entered, entry, on_page
from tests.support.login import HOUR, Issuer, new_key

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
PORTAL = {"project_path": "khanhhoa/portal", "ref_protected": "true"}


@pytest.fixture(scope="module")
def entered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entered]:
    try:
        tool_path("kube-apiserver")
    except LabError as missing:
        pytest.skip(missing.why)
    with entry(tmp_path_factory.mktemp("login")) as made:
        for document in founded():
            if document["kind"].removeprefix("Cluster") in ("Namespace", "ServiceAccount", "Role", "RoleBinding"):
                answer = made.admin.apply(document)
                assert answer.status_code in (200, 201), answer.text
        yield made


def config_map(namespace: str, name: str = "tried") -> dict[str, Any]:
    return of_kind("v1", "ConfigMap", name, namespace)


def deployment(stack: str) -> dict[str, Any]:
    return next(each for each in documents(stack) if each["kind"] == "Deployment")


RBAC = "rbac.authorization.k8s.io/v1"
QUOTA = of_kind("v1", "ResourceQuota", "tried", APP, spec={"hard": {"pods": "1"}})
SERVICE = of_kind("v1", "Service", "tried", DATA, spec={"ports": [{"port": 1}]})
ROLE = of_kind(RBAC, "Role", "tried", APP, rules=[])
BINDING = of_kind(
    RBAC, "ClusterRoleBinding", "tried", roleRef={"apiGroup": RBAC[:-3], "kind": "ClusterRole", "name": "cluster-admin"}
)
JOBS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "portal-deployers": (deployment("portal"), [deployment("feedback"), SERVICE, QUOTA, ROLE]),
    "feedback-deployers": (deployment("feedback"), [deployment("portal"), SERVICE, ROLE]),
    "dcshift-data": (SERVICE, [deployment("portal"), config_map(DATA), QUOTA, ROLE]),
    "dcshift-security": (config_map(naming.SECURITY_LOG), [config_map(APP), SERVICE, ROLE]),
    "dcshift-tenancy": (QUOTA, [deployment("portal"), config_map(APP), ROLE]),
    "dcshift-drill": (config_map(naming.DRILLS), [config_map(APP), SERVICE, ROLE]),
    "dcshift-platform": (ROLE, []),
    "dcshift-break-glass": (BINDING, []),
}
"""What a group makes in the way of its work, and what it must not make."""


def test_every_group_that_makes_something_is_tried() -> None:
    making = {each.people for each in everyone(load(CATALOGUE).systems)} - {"dcshift-auditors"}
    assert set(JOBS) == making


@pytest.mark.parametrize("group", JOBS)
def test_a_group_of_the_login_does_its_job_and_nothing_more(group: str, entered: Entered) -> None:
    token = entered.login.staff.token(groups=["all-staff", group])
    assert entered.known_as(token) == ("staff:lan", {"all-staff", group})
    job, others = JOBS[group]
    assert entered.status(token, job) == 201
    assert [entered.status(token, each) for each in others] == [403] * len(others)
    assert entered.status(entered.login.staff.token(groups=["all-staff"]), job) == 403


def test_auditors_read_and_change_nothing(entered: Entered) -> None:
    token = entered.login.staff.token(groups=["dcshift-auditors"])
    with entered.by(token) as auditor:
        assert auditor.client.get(f"/apis/apps/v1/namespaces/{APP}/deployments").status_code == 200
        assert auditor.client.get(f"/api/v1/namespaces/{APP}/secrets").status_code == 403
    assert entered.status(token, config_map(APP)) == 403


def refused(issuer: Issuer) -> Iterator[tuple[str, str]]:
    """Yield tokens that no server may take, each with what is wrong with it: all of them name a group with rights."""
    now, said = int(time.time()), {"groups": ["portal-deployers"], **PORTAL}
    yield "ended", issuer.token(**said, iat=now - HOUR, exp=now - 60)
    yield "not begun", issuer.token(**said, nbf=now + HOUR)
    yield "good for longer than twelve hours", issuer.token(**said, iat=now - 60, exp=now + 12 * HOUR)
    yield "without an end", issuer.token(**said, exp=None)
    yield "for another audience", issuer.token(**said, aud="another")
    yield "signed with another key", issuer.token(**said, key=new_key())
    yield "signed by nobody", issuer.token(**said, signed=False)
    yield "of an issuer that nobody named", Issuer(f"{issuer.url}-2", issuer.key).token(**said)
    whole = issuer.token(**said)
    head, content, signature = whole.split(".")
    other = issuer.token(**{**said, "sub": "admin"}).split(".")[1]
    assert other != content
    yield "changed since it was signed", f"{head}.{other}.{signature}"


@pytest.mark.parametrize("of", ["staff", "ci"])
def test_a_token_that_is_not_whole_is_refused(of: str, entered: Entered) -> None:
    issuer: Issuer = getattr(entered.login, of)
    assert entered.status(issuer.token(groups=["portal-deployers"], **PORTAL), deployment("portal")) == 201
    found = {what: entered.status(token, deployment("portal")) for what, token in refused(issuer)}
    assert set(found.values()) == {401}, found


def test_nobody_becomes_one_of_the_cluster_by_the_login(entered: Entered) -> None:
    staff = entered.login.staff
    for group in ("system:masters", "system:nodes", "system:serviceaccounts:kube-system"):
        assert entered.known_as(staff.token(groups=["portal-deployers", group])) == 401, group
    # A name is only a name: with its prefix it is no account's.
    for name in ("system:serviceaccount:dcshift-identities:break-glass", "admin"):
        token = staff.token(sub=name, groups=[])
        assert entered.known_as(token) == (f"staff:{name}", set())
        assert entered.status(token, ROLE) == 403


def test_a_token_without_groups_may_do_nothing(entered: Entered) -> None:
    token = entered.login.staff.token()
    assert entered.known_as(token) == ("staff:lan", set())
    tried = [job for job, _ in JOBS.values()]
    assert {entered.status(token, each) for each in tried} == {403}


def test_a_job_of_the_ci_server_is_what_the_page_says_of_its_project(entered: Entered) -> None:
    ci = entered.login.ci
    both = [deployment("portal"), deployment("feedback")]
    for project, groups, answers in (
        ("khanhhoa/portal", {"portal-deployers"}, [201, 403]),
        ("khanhhoa/feedback", {"feedback-deployers"}, [403, 201]),
        ("khanhhoa/portal/fork", set(), [403, 403]),
    ):
        # Whatever groups a job writes into its token are not asked.
        token = ci.token(groups=["dcshift-platform"], project_path=project, ref_protected="true")
        assert entered.known_as(token) == (f"ci:{project}", groups)
        assert [entered.status(token, each) for each in both] == answers
    assert entered.known_as(ci.token(**{**PORTAL, "ref_protected": "false"})) == 401
    assert entered.known_as(ci.token(project_path="khanhhoa/portal")) == 401
    assert entered.known_as(ci.token(ref_protected="true")) == 401


def test_a_kubeconfig_that_names_the_tokens_file_works_as_the_page_says(
    entered: Entered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = json.loads(entered.api.kubeconfig.read_text())["clusters"][0]["cluster"]
    token, file, text = tmp_path / "token", tmp_path / "kubeconfig", on_page("Config")
    for shown, own in (
        ("https://10.0.0.10:6443", cluster["server"]),
        ("/etc/dcshift/cluster-ca.pem", cluster["certificate-authority"]),
        ("/run/dcshift/token", str(token)),
    ):
        assert text.count(shown) == 1
        text = text.replace(shown, own)
    file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file))
    for group, status in (("dcshift-platform", 0), ("portal-deployers", 1)):
        token.write_text(entered.login.staff.token(groups=[group]))
        said = run("identity", "auditor", "--output", str(tmp_path / group))
        assert said.returncode == status, said.stderr
        assert ("error[identity-refused]" in said.stderr) is (status == 1)
        assert (tmp_path / group).exists() is (status == 0)
        assert token.read_text() not in said.stdout + said.stderr
