"""The declared data centre on the real cluster: rights as meant, drift seen, and data kept until it is told to go."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from obstore.store import S3Store

from infra.errors import InfraError
from infra.object_store import Keys, ObjectStore
from infra.safety import asking
from lab import target
from lab.addresses import S3_ENDPOINT, S3_REGION
from lab.target import kernel, layout, rules
from tests.support.declared import GROUNDS, built_once
from tests.support.lab_centre import asked_by, kubectl, secret
from tests.support.measured import until
from tests.support.play import bucket
from tests.support.project import ROOT, Project

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
KEPT_VOLUMES = ROOT / "docs" / "kept-volumes.md"


def test_each_systems_keys_open_its_own_bucket_only(centre: Project) -> None:
    admin = json.loads(layout.S3_CREDENTIALS.read_text())
    store = ObjectStore(S3_ENDPOINT, S3_REGION, Keys(admin["access_key"], admin["secret_key"]))
    for own, other in (("portal", "feedback"), ("feedback", "portal")):
        found = secret(f"httt-{own}-app", f"{own}-s3-uploads")
        keys = Keys(found["access_key"], found["secret_key"])
        assert store.opens(f"khanhhoa-lab-{own}-uploads", keys)
        assert not store.opens(f"khanhhoa-lab-{other}-uploads", keys)


def test_the_migrations_role_may_subscribe_and_act_as_the_owner_and_no_more(centre: Project) -> None:
    query = (
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, "
        "pg_has_role(oid, 'pg_create_subscription', 'member'), pg_has_role(oid, 'portal', 'member') "
        "from pg_roles where rolname = 'dcshift_migration'"
    )
    said = kubectl("-n", "httt-portal-data", "exec", "portal-db-1", "-c", "postgres", "--", "psql", "-XAtc", query)
    assert said.strip() == "f|f|f|t|t|t"


def test_no_secret_of_the_cluster_is_in_any_state(centre: Project) -> None:
    values = [
        value
        for system in ("portal", "feedback")
        for namespace, name in (
            (f"httt-{system}-data", f"{system}-db-app"),
            (f"httt-{system}-data", f"{system}-db-migration"),
            (f"httt-{system}-app", f"{system}-web"),
            (f"httt-{system}-app", f"{system}-s3-uploads"),
        )
        for key, value in secret(namespace, name).items()
        if key != "username"
    ]
    assert len(values) == 10
    state = "".join(file.read_text() for file in sorted((centre.folder / "state").rglob("*.json")))
    assert "httt-portal-app" in state
    assert not [value for value in values if value in state or base64.b64encode(value.encode()).decode() in state]


def test_a_change_by_hand_is_shown_and_never_overwritten_unseen(centre: Project) -> None:
    def set_pods(value: str) -> None:
        patch = json.dumps({"spec": {"hard": {"pods": value}}})
        kubectl("-n", "httt-portal-app", "patch", "resourcequota", "quota", "--type=merge", "-p", patch)

    before = json.loads(kubectl("-n", "httt-portal-app", "get", "resourcequota", "quota", "-o", "json"))
    set_pods("99")
    try:
        shown = centre.run("refresh", "--preview-only", "--diff", stack="ground.portal").text
        assert '=> "99"' in shown
        assert "~ 1 to update" in shown
        refused = centre.run("up", "--yes", "--skip-preview", "--refresh", stack="ground.portal", check=False)
        assert refused.code != 0
        assert "field .spec.hard.pods is owned by kubectl-patch" in refused.text
    finally:
        set_pods(before["spec"]["hard"]["pods"])
    centre.run("refresh", "--yes", "--skip-preview", stack="ground.portal")
    centre.up("ground.portal", "--expect-no-changes")


def test_the_stack_arms_the_jobs_once_it_is_told_that_the_target_serves(centre: Project) -> None:
    def suspended() -> list[str]:
        said = kubectl("-n", "httt-feedback-app", "get", "cronjobs", "-o", "jsonpath={.items[*].spec.suspend}")
        return said.split()

    assert suspended() == ["true", "true"]
    centre.run("config", "set", "serves", "target", stack="feedback")
    centre.up("feedback")
    assert suspended() == ["false", "false"]
    centre.run("config", "set", "serves", "source", stack="feedback")
    centre.up("feedback")
    assert suspended() == ["true", "true"]


def test_what_somebody_else_made_is_refused_and_left_alone(centre: Project) -> None:
    centre.run("destroy", "--yes", "--skip-preview", stack="feedback")
    kubectl("-n", "httt-feedback-app", "create", "serviceaccount", "feedback-web")
    refused = centre.up("feedback", check=False)
    assert refused.code != 0
    assert "already exists and was not created by this resource" in refused.text
    kubectl("-n", "httt-feedback-app", "delete", "serviceaccount", "feedback-web")
    centre.up("feedback")


def uid(system: str) -> str:
    where = ("-n", f"httt-{system}-data", "get", "cluster", f"{system}-db")
    return kubectl(*where, "-o", "jsonpath={.metadata.uid}")


def in_database(system: str, query: str) -> str:
    """Ask a system's database inside its own pod, as its superuser."""
    words = ("exec", f"{system}-db-1", "-c", "postgres", "--", "psql", "-XAtqc", query, system)
    return kubectl("-n", f"httt-{system}-data", *words).strip()


def files_of(system: str) -> S3Store:
    """Return the bucket of a system's files, with the application's own keys."""
    return bucket(f"khanhhoa-lab-{system}-uploads", secret(f"httt-{system}-app", f"{system}-s3-uploads"))


SAYS = "select said from kept_row"


@pytest.fixture(scope="module")
def kept(centre: Project) -> str:
    """Write a row and an object as the portal's own, and return what both say."""
    said = f"written-{time.time_ns()}"
    in_database("portal", f"set role portal; create table kept_row as select '{said}' as said")
    files_of("portal").put("kept/object", said.encode())
    return said


def test_destroying_a_system_keeps_its_rows_and_its_files(centre: Project, kept: str) -> None:
    before = uid("portal")
    centre.run("destroy", "--yes", "--skip-preview", stack="portal")
    assert "portal-web" not in kubectl("-n", "httt-portal-app", "get", "deployments", "-o", "name")
    assert uid("portal") == before
    centre.up("portal")
    # By the application that was made anew, with its own login and its own keys.
    assert asked_by("portal", SAYS) == [kept]
    assert files_of("portal").get("kept/object").bytes() == kept.encode()


def test_a_state_of_data_that_was_lost_is_made_anew_around_what_it_declared(centre: Project, kept: str) -> None:
    """Nobody edits a state: the objects carry the managers of their resources, and the stack takes them for its own."""
    before = {system: uid(system) for system in ("portal", "feedback")}
    centre.run("stack", "rm", "data", "--yes", "--force", "--preserve-config")
    assert {system: uid(system) for system in before} == before
    centre.run("stack", "init", "data")
    centre.up("data")
    assert {system: uid(system) for system in before} == before
    assert in_database("portal", SAYS) == kept
    centre.up("data", "--expect-no-changes")


def test_destroying_data_is_refused_and_changes_nothing(centre: Project, kept: str) -> None:
    refused = centre.run("destroy", "--yes", "--skip-preview", stack="data", check=False)
    assert refused.code != 0
    assert "protect" in refused.text
    clusters = kubectl("get", "clusters.postgresql.cnpg.io", "-A", "-o", "name").split()
    assert len(clusters) == 2
    assert in_database("portal", SAYS) == kept
    centre.up("data", "--expect-no-changes")


def test_data_goes_once_the_centre_is_told(centre: Project) -> None:
    # The platform first: its admission policy refuses to delete data until it is told.
    for stack in ("platform", *GROUNDS, "data"):
        centre.run("config", "set", "dataMayBeDestroyed", "true", stack=stack)
        centre.up(stack)
    # A database ends its work when nobody is left who asks it, or minutes later.
    kubectl("-n", "httt-feedback-app", "scale", "deployment/feedback-web", "--replicas=0")
    centre.run("destroy", "--yes", "--skip-preview", stack="data")
    assert kubectl("get", "clusters.postgresql.cnpg.io", "-A", "-o", "name") == ""


def test_what_a_deleted_database_kept_is_found_again_by_one_that_is_declared_anew(
    centre: Project, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(layout.KUBECONFIG))
    systems, declared = {"portal": "10Gi", "feedback": "5Gi"}, [built_once("data")]
    until("volumes that were let go", lambda: {phase(each) for each in systems} == {"Released"}, 240)
    volumes = {each: volume(each)["metadata"]["name"] for each in systems}
    with pytest.raises(InfraError) as refused:
        asking.refuse_emptied(declared)
    assert refused.value.code == "database-would-be-empty"
    assert all(f"volume {name} " in refused.value.why for name in volumes.values())
    for system, storage in systems.items():
        free = [{"op": "remove", "path": f"/spec/claimRef/{field}"} for field in ("uid", "resourceVersion")]
        kubectl("patch", "pv", volumes[system], "--type=json", "-p", json.dumps(free))
        claim = re.search(r"```yaml\n(.*?)```", KEPT_VOLUMES.read_text(encoding="utf-8"), re.DOTALL)
        assert claim, "the page shows a claim"
        said = claim[1].replace("VOLUME", volumes[system]).replace("portal", system).replace("10Gi", storage)
        kubectl("apply", "-f", "-", typed=said)
    until("volumes that have a claim again", lambda: {phase(each) for each in systems} == {"Bound"}, 120)
    asking.refuse_emptied(declared)
    centre.up("data")
    assert in_database("portal", SAYS) == kept
    assert {phase(each) for each in systems} == {"Bound"}
    assert {each: volume(each)["metadata"]["name"] for each in systems} == volumes


def phase(system: str) -> str:
    return str(volume(system)["status"]["phase"])


def volume(system: str) -> dict[str, Any]:
    """Return the volume whose claim is, or was, the first instance's of a system."""
    found = json.loads(kubectl("get", "pv", "-o", "json"))["items"]
    claims = [(each["spec"].get("claimRef", {}), each) for each in found]
    wanted = (f"httt-{system}-data", f"{system}-db-1")
    (one,) = [each for claim, each in claims if (claim.get("namespace"), claim.get("name")) == wanted]
    return dict(one)


def test_a_killed_target_leaves_nothing_behind(standing_target: None) -> None:
    """The last: with a whole centre in it."""
    for name in ("kube-apiserver", "etcd", "containerd", "kubelet", "kube-router"):
        pid = int((layout.PROCESSES / f"{name}.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
    target.down()
    assert kernel.leftovers() == [] and rules.leftovers() == []
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended while we looked
            commands.append(path.read_bytes())
    assert not [words for words in commands if str(layout.PKI).encode() in words]  # as each program of the cluster has
    assert not layout.HOME.exists() and not layout.PROCESSES.exists()
    assert target.status().absent
