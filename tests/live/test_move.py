"""The whole move on the lab, with a tenth of the data: planted differences, a way back, three kills, both waves.

The tests of this file are the acts of one play and run in their order; an act that fails ends the play.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import httpx
import obstore
import pytest

from lab import centres, network
from lab.addresses import SITES
from lab.apps.systems import SYSTEMS
from lab.demo import shell
from lab.demo.main import upgrade
from lab.demo.pages import read_pages
from lab.demo.promises import assert_figures, audit_target
from lab.errors import LabError
from lab.paths import STATE as LAB
from lab.records import JOURNAL_FOLDER, PULUMI
from lab.target.api import Api
from tests.support.play import Play, bucket, dcshift, on, say, uploads

pytestmark = [pytest.mark.live, pytest.mark.timeout(1500), pytest.mark.usefixtures("act")]

_JOURNAL = JOURNAL_FOLDER / "journal.sqlite"


def begun(step: str) -> Callable[[], bool]:
    """Return a question: has an attempt of this step been recorded since now?"""
    after = _last_id()

    def asked() -> bool:
        return _count("step = ? AND kind = 'started' AND id > ?", step, after) > 0

    return asked


def _last_id() -> int:
    return _query("SELECT coalesce(max(id), 0) FROM event") if _JOURNAL.exists() else 0


def _count(condition: str, *values: object) -> int:
    return _query(f"SELECT count(*) FROM event WHERE {condition}", *values) if _JOURNAL.exists() else 0


def _query(sql: str, *values: object) -> int:
    with sqlite3.connect(f"file:{_JOURNAL}?mode=ro", uri=True, timeout=10) as connection:
        return int(connection.execute(sql, values).fetchone()[0])


def in_target_database(sql: str) -> None:
    """Run SQL as the superuser inside the database's own pod: what no program of ours may do."""
    pod = ["kubectl", "exec", "-n", "httt-portal-data", "portal-db-1", "-c", "postgres", "--"]
    shell.run(
        "live-plant",
        [*pod, "psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", "portal", "-c", sql],
        env={"KUBECONFIG": _kubeconfig()},
    )


def _kubeconfig() -> str:
    return str(LAB / "target" / "kubeconfig")


def suspend(cronjob: str, suspended: bool) -> None:
    api = Api()
    try:
        path = f"/apis/batch/v1/namespaces/httt-portal-app/cronjobs/{cronjob}"
        document = api.get(path)
        assert document is not None
        api.apply(
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": {"name": cronjob, "namespace": "httt-portal-app"},
                "spec": {"suspend": suspended},
            }
        )
    finally:
        api.close()


def test_stacks_are_up_and_a_second_up_is_empty(play: Play) -> None:
    for stack in ("platform", "data", *SITES):
        play.cloud.up(stack, say, empty=True)


def test_survey_and_plan(play: Play) -> None:
    play.citizens.start()
    dcshift("survey", "survey")
    plan = dcshift("plan", "plan").json()
    assert {step["system"] for step in plan["steps"]} == set(SITES)  # type: ignore[index,attr-defined]
    dcshift("check", "check")


def test_replicate_while_citizens_write(play: Play) -> None:
    ended = dcshift("replicate", "run", "--wave", "1", "--until", "replicate", timeout_seconds=900).json()
    assert ended["outcome"] == "done"
    verified = dcshift("verify-clean", "verify", "portal").json()
    assert verified["failed"] == 0


def test_planted_differences_are_found_and_named(play: Play) -> None:
    in_target_database("UPDATE dossiers_dossier SET applicant_name = applicant_name || '.' WHERE id = 17")
    lost = _remove_one_object()
    suspend("portal-reconcile-payments", False)
    ended = dcshift("verify-planted", "verify", "portal", allowed=(1,))
    proofs = ended.json()["systems"]["portal"]  # type: ignore[index]
    failed = {proof["name"]: " ".join(proof["differences"]) for proof in proofs if not proof["passed"]}
    assert any("dossiers_dossier" in text for name, text in failed.items() if name.startswith("rows")), failed
    assert any(lost in text for name, text in failed.items() if name.startswith("files")), failed
    assert any("reconcile-payments" in text for name, text in failed.items() if name.startswith("jobs")), failed
    suspend("portal-reconcile-payments", True)


def _remove_one_object() -> str:
    """Delete a file of the archive behind everybody's back; return its key."""
    store = uploads("portal")
    archive = [str(found["path"]) for chunk in obstore.list(store, prefix="luu-tru/") for found in chunk]
    path = sorted(archive)[7]
    obstore.delete(store, path)
    return path


def test_rollback_inside_the_freeze_loses_nothing(play: Play) -> None:
    dcshift("rollback-first", "rollback", "portal", timeout_seconds=600)
    dcshift("plan-again", "plan")
    killed = dcshift(
        "run-killed-in-the-freeze",
        "run",
        "--wave",
        "1",
        kill_when=begun("wave-1/portal/files/cutover"),
        timeout_seconds=900,
        allowed=(0, 1),
    )
    assert killed.killed, killed.stdout[-1000:]
    back = dcshift("rollback", "rollback", "portal", timeout_seconds=600).json()
    assert back["outcome"] == "rolled-back"
    assert "reconcile_payments" in on("app1", "sudo crontab -l -u portal | grep -v '^#'")
    slots = 'sudo -u postgres psql -XAtc "SELECT count(*) FROM pg_replication_slots"'
    assert on("db1", slots).strip() == "0"
    assert on("edge1", "sudo nft list ruleset | grep -c 10443 || true").strip() == "0"


def test_three_kills_at_random_steps_and_the_wave_still_ends(play: Play) -> None:
    seed = int(os.environ.get("DCSHIFT_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"    seed {seed}: DCSHIFT_SEED={seed} repeats these kills", flush=True)
    steps = [step["id"] for step in dcshift("plan-for-kills", "plan").json()["steps"]]  # type: ignore[attr-defined]
    wave = [step for step in steps if step.startswith("wave-1/")]
    chosen = sorted(random.Random(seed).sample(wave, 3), key=wave.index)
    for number, step in enumerate(chosen, start=1):
        print(f"    kill {number} of 3: in {step}", flush=True)
        ended = dcshift(
            f"kill-{number}", "run", "--wave", "1", kill_when=begun(step), timeout_seconds=900, allowed=(0, 1)
        )
        assert ended.killed, f"{step} was never begun: {ended.stdout[-1000:]}"
    ended = dcshift("after-kills", "run", "--wave", "1", timeout_seconds=900).json()
    assert ended["outcome"] == "done"
    assert ended["systems"]["portal"]["state"] == "moved"  # type: ignore[index]


def test_rollback_after_release_is_refused_with_a_sentence(play: Play) -> None:
    refused = dcshift("rollback-late", "rollback", "portal", allowed=(2,))
    assert "past-point-of-no-return" in refused.log.read_text()


def test_wave_two_moves_as_well(play: Play) -> None:
    ended = dcshift("wave-2", "run", "--wave", "2", timeout_seconds=900).json()
    assert ended["systems"]["feedback"]["state"] == "moved"  # type: ignore[index]


def test_no_acknowledged_write_is_lost_doubled_or_altered(play: Play) -> None:
    play.citizens.stop()
    counters = play.citizens.read()
    for system in SITES:
        audit = audit_target(play.citizens.ledger, system)
        assert audit.verified, audit.as_json()
        assert int(str(counters[system]["requests"])) > 100
    assert assert_figures("tenth") == sum(len(system.counts) for system in SYSTEMS)
    dcshift("verify-end", "verify")
    report = dcshift("report", "report", "--traffic", str(play.citizens.statistics)).json()
    assert report["verified"] is True


def test_a_backup_is_restored_apart_and_holds_every_row_while_citizens_write(play: Play) -> None:
    """The newest backup is made when the drill finds none; what was written since comes back from the archived log."""
    drilled = dcshift("drill", "drill", "feedback").json()
    assert (drilled["differences"], drilled["missed"]) == ([], [])
    assert drilled["rows"] > 5_000  # type: ignore[operator]
    assert drilled["tables"] > 30  # type: ignore[operator]
    assert in_drills("/apis/postgresql.cnpg.io/v1", "clusters") == in_drills("/api/v1", "pods") == []


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
    upgrade(play.cloud, say)


def test_a_release_that_cannot_start_is_put_back_and_no_reader_notices(play: Play) -> None:
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
        missing = ("--release", "0.0.0", "--image", f"sha256:{'0' * 64}")
        refused = dcshift("deploy-bad", "deploy", "portal", *missing, allowed=(1,), env=play.cloud.environment)
    finally:
        ended.set()
        reader.join()
    said = json.loads(refused.log.read_text().splitlines()[-1])["error"]
    assert said["code"] == "deployment-rolled-back"
    assert f"portal@sha256:{'0' * 64}" in said["why"]
    assert len(seen) > 5 and set(seen) == {"same"}
    play.cloud.up("portal", say, empty=True)


def test_nothing_of_the_lab_is_left(play: Play) -> None:
    assert PULUMI.exists()
    centres.down(say)
    assert not PULUMI.exists() and not JOURNAL_FOLDER.exists()
    assert network.leftovers() == []
