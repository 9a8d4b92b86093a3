"""A moved centre in daily use: its backups are restored for a trial, newer releases are deployed, the lab ends.

These acts follow those of the move, on the same lab.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest

from lab import centres, network
from lab.apps.systems import SYSTEMS
from lab.demo.citizens import Citizens
from lab.demo.main import FOLDER, upgrade
from lab.demo.pages import read_pages
from lab.demo.promises import audit_target
from lab.errors import LabError
from lab.records import JOURNAL_FOLDER, PULUMI
from lab.target.api import Api
from tests.support.play import Play, bucket, dcshift, say
from tests.support.unwell_image import unwell_portal

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600), pytest.mark.usefixtures("act")]


def test_a_drill_that_is_killed_is_no_hindrance_to_the_next(play: Play) -> None:
    """What it left is removed first; the backup that it made is the one that is used."""

    def restoring() -> bool:
        return bool(in_drills("/apis/postgresql.cnpg.io/v1", "clusters"))

    assert dcshift("drill-killed", "drill", "feedback", kill_when=restoring).killed
    assert restoring()


def test_a_backup_is_restored_apart_and_holds_every_row_while_citizens_write(play: Play) -> None:
    """What was written since the backup comes back from the archived log; nobody's request waits for it in vain.

    It works with the identity of drills, which is no administrator.
    """
    kubeconfig = FOLDER / "drill" / "kubeconfig"
    dcshift("identity-drill", "identity", "drill", "--output", str(kubeconfig))
    lent = {"KUBECONFIG": str(kubeconfig), "DCSHIFT_STATE": str(FOLDER / "drill" / "state")}
    citizens = Citizens(FOLDER / "drill", rate_per_second=8.0)
    citizens.start()
    try:
        began = time.monotonic()
        drilled = dcshift("drill", "drill", "feedback", env=lent).json()
        whole_seconds = time.monotonic() - began
    finally:
        citizens.stop()
    counters = citizens.read()["feedback"]
    assert (int(str(counters["requests"])) > 50, counters["failed"]) == (True, 0)
    assert audit_target(citizens.ledger, "feedback").verified
    assert (drilled["differences"], drilled["missed"]) == ([], [])
    assert drilled["rows"] > 5_000  # type: ignore[operator]
    assert drilled["tables"] > 30  # type: ignore[operator]
    assert in_drills("/apis/postgresql.cnpg.io/v1", "clusters") == in_drills("/api/v1", "pods") == []
    measured(drilled, whole_seconds)
    found = {name: value for name, value in drilled.items() if name not in ("kept", "recorded")}
    assert json.loads(Path(str(drilled["kept"])).read_text()) == found
    assert drilled["recorded"] == "dcshift-drills/feedback-drill"
    (record,) = (each for each in in_drills("/api/v1", "configmaps") if each["metadata"]["name"] == "feedback-drill")
    assert json.loads(record["data"]["last"]) == json.loads(record["data"]["last-equal"]) == found


def measured(drilled: dict[str, Any], whole_seconds: float) -> None:
    """Say a drill's figures, and fail unless each is a time that passed in this drill, or is made of such times."""
    parts = {name: drilled[f"{name}_seconds"] for name in ("archived", "restored", "compared")}
    rto, rpo, timeout = (drilled[f"{name}_seconds"] for name in ("rto", "rpo", "archive_timeout"))
    print(f"RTO {rto} s and RPO {rpo} s, of a drill of {whole_seconds:.1f} s: {parts}, archive_timeout {timeout} s")
    # Each was rounded by itself.
    assert rto == pytest.approx(parts["restored"] + parts["compared"], abs=0.2)
    assert rpo == pytest.approx(timeout + parts["archived"], abs=0.2)
    assert parts["restored"] > 0 and parts["compared"] >= 0 and parts["archived"] >= 0
    assert sum(parts.values()) < whole_seconds
    # What waits for the archive is lost however quick that is.
    assert 0 < timeout <= rpo < timeout + whole_seconds
    assert drilled["backup_age_seconds"] > 0


def test_the_keys_of_a_drill_can_read_backups_and_neither_change_nor_delete_them(play: Play) -> None:
    (secret,) = (one for one in in_drills("/api/v1", "secrets") if one["metadata"]["name"] == "feedback-s3-restore")
    keys = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    store = bucket("backup-khanhhoa-lab-feedback", keys)
    names = sorted(str(one["path"]) for batch in store.list() for one in batch)
    assert any("/base/" in name for name in names)
    assert any("/wals/" in name for name in names)
    assert len(store.get(names[0]).bytes()) > 0
    changes: list[Callable[[], object]] = [
        lambda: store.put("x", b"x"),
        lambda: store.put(names[0], b""),
        lambda: store.delete(names[0]),
    ]
    for change in changes:
        with pytest.raises(obstore.exceptions.BaseError):
            change()
    kept = {str(one["path"]) for batch in bucket("backup-khanhhoa-lab-feedback").list() for one in batch}
    assert kept >= set(names)


def in_drills(group: str, kind: str) -> list[dict[str, Any]]:
    api = Api()
    try:
        found = api.get(f"{group}/namespaces/dcshift-drills/{kind}")
        assert found is not None
        items: list[dict[str, Any]] = found["items"]
        return items
    finally:
        api.close()


def test_the_newer_releases_follow_as_ordinary_deployments(play: Play) -> None:
    """Each by the identity of its system's pipeline: who brought the stacks up at first has no part in it."""
    upgrade(play.cloud, say)
    for system in SYSTEMS:
        lent = json.loads(Path(play.cloud.as_pipeline(system.name)["KUBECONFIG"]).read_text())
        assert lent["current-context"] == f"deploy-{system.name}"
        assert set(lent["users"][0]["user"]) == {"token"}


def test_a_deployment_that_is_killed_is_named_by_no_setting_and_hinders_nobody(play: Play) -> None:
    """Its engine lets go of the stack; the release before serves on, and `up` brings everything back to it."""
    missing = f"sha256:{'0' * 64}"

    def applied() -> bool:
        return missing in json.dumps(deployment("httt-portal-app", "portal-web")["spec"])

    killed = dcshift(
        "deploy-killed",
        *("deploy", "portal", "--release", "0.0.0", "--image", missing),
        kill_when=applied,
        env=play.cloud.as_pipeline("portal"),
    )
    assert killed.killed
    play.cloud.deploy("portal", "8.0.1", say)
    assert not applied()


def deployment(namespace: str, name: str) -> dict[str, Any]:
    api = Api()
    try:
        found = api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
        assert found is not None
        return dict(found)
    finally:
        api.close()


@pytest.mark.parametrize(
    "image",
    [lambda: f"sha256:{'0' * 64}", unwell_portal],
    ids=["an image that is nowhere", "one that fails its health"],
)
def test_a_bad_release_is_put_back_and_no_reader_notices(play: Play, image: Callable[[], str]) -> None:
    """One never starts; the other starts, answers its health with 500, and gives up again and again."""
    digest = image()
    (portal,) = (system for system in SYSTEMS if system.name == "portal")
    before, seen, ended = read_pages(portal), list[str](), threading.Event()

    def read() -> None:
        while not ended.wait(0.2):
            try:
                seen.append("same" if read_pages(portal).keys() == before.keys() else "lacks pages")
            except (LabError, httpx.HTTPError) as fault:
                seen.append(str(fault))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        bad = ("--release", "0.0.0", "--image", digest)
        pipeline = play.cloud.as_pipeline("portal")
        refused = dcshift("deploy-bad", "deploy", "portal", *bad, allowed=(1,), env=pipeline)
    finally:
        ended.set()
        reader.join()
    said = json.loads(refused.log.read_text().splitlines()[-1])["error"]
    assert said["code"] == "deployment-rolled-back"
    # A node calls an image that it has by the name under which it was brought, and one that it lacks by its digest.
    assert any(called in said["why"] for called in (f"portal@{digest}", "portal:unwell")), said["why"]
    assert len(seen) > 5 and set(seen) == {"same"}
    # As whoever deployed: another's kubeconfig would be a change of the stack's provider.
    play.cloud.up("portal", say, empty=True, environment=pipeline)


def test_nothing_of_the_lab_is_left(play: Play) -> None:
    assert PULUMI.exists()
    centres.down(say)
    assert not PULUMI.exists() and not JOURNAL_FOLDER.exists()
    assert network.leftovers() == []
