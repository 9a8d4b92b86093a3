"""The whole move on the lab, with a tenth of the data: planted differences, a way back, three kills, both waves.

The tests of this file are the acts of one play and run in their order; an act that fails ends the play.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable

import obstore
import pytest

from lab.addresses import SITES
from lab.apps.systems import SYSTEMS
from lab.demo import shell
from lab.demo.promises import assert_figures, audit_target
from lab.paths import STATE as LAB
from lab.records import JOURNAL_FOLDER
from lab.target.api import Api
from tests.support.patience import until
from tests.support.play import Play, dcshift, on, say, uploads

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600), pytest.mark.usefixtures("act")]

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
    with sqlite3.connect(f"file:{_JOURNAL}?mode=ro", uri=True, timeout=60) as connection:
        return int(connection.execute(sql, values).fetchone()[0])


def in_target_database(sql: str) -> str:
    """Run SQL as the superuser inside the database's own pod, as no program of ours may; return what it prints."""
    pod = ["kubectl", "exec", "-n", "httt-portal-data", "portal-db-1", "-c", "postgres", "--"]
    words = [*pod, "psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-d", "portal", "-c", sql]
    return shell.run("live-in-database", words, env={"KUBECONFIG": _kubeconfig()}).stdout.strip()


def _kubeconfig() -> str:
    return str(LAB / "target" / "kubeconfig")


def set_behind_our_back(api_version: str, kind: str, name: str, **spec: object) -> None:
    metadata = {"name": name, "namespace": "httt-portal-app"}
    api = Api()
    try:
        api.apply({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
    finally:
        api.close()


def suspend(cronjob: str, suspended: bool) -> None:
    set_behind_our_back("batch/v1", "CronJob", cronjob, suspend=suspended)


def let_work(worker: str, pods: int) -> None:
    set_behind_our_back("apps/v1", "StatefulSet", worker, replicas=pods)


def test_stacks_are_up_and_a_second_up_is_empty(play: Play) -> None:
    for stack in play.cloud.stacks():
        play.cloud.up(stack, say, empty=True)


def test_a_drill_of_a_system_that_holds_nothing_yet_is_refused(play: Play) -> None:
    """Equal would say nothing: no row is there to be compared."""
    refused = dcshift("drill-empty", "drill", "portal", allowed=(1,))
    assert "nothing-to-compare" in refused.log.read_text()


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
    let_work("portal-worker-notices", 1)
    ended = dcshift("verify-planted", "verify", "portal", allowed=(1,))
    proofs = ended.json()["systems"]["portal"]  # type: ignore[index]
    failed = {proof["name"]: " ".join(proof["differences"]) for proof in proofs if not proof["passed"]}
    assert any("dossiers_dossier" in text for name, text in failed.items() if name.startswith("rows")), failed
    assert any(lost in text for name, text in failed.items() if name.startswith("files")), failed
    assert any("reconcile-payments" in text for name, text in failed.items() if name.startswith("jobs")), failed
    assert "notices has 1 pods on the target" in failed["workers"], failed
    suspend("portal-reconcile-payments", True)
    let_work("portal-worker-notices", 0)


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
    assert on("app1", "systemctl is-active portal-notices.service").strip() == "active"
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


def test_every_notice_was_sent_by_the_side_that_served(play: Play) -> None:
    """The worker of the old side ended before that of the new one began, and nothing was left between them."""
    late = "SELECT count(*) FROM dossiers_notice WHERE sent_at IS NULL AND created_at < now() - interval '20 s'"
    until(lambda: in_target_database(late) == "0", "notices that nobody sends", 240)
    sides, apart = in_target_database(
        "SELECT array_agg(DISTINCT side ORDER BY side) FILTER (WHERE sent_at IS NOT NULL),"
        " max(sent_at) FILTER (WHERE side = 'source') < min(sent_at) FILTER (WHERE side = 'target')"
        " FROM dossiers_notice"
    ).split("|")
    assert (sides, apart) == ("{source,target}", "t")
    untold = in_target_database(
        "SELECT count(*) FROM dossiers_dossier d WHERE form->>'channel' = 'online'"
        " AND client_ref <> md5('dossier ' || d.id)::uuid"
        " AND NOT EXISTS (SELECT FROM dossiers_notice n WHERE n.dossier_id = d.id)"
    )
    assert untold == "0"
    assert on("app1", "systemctl is-active portal-notices.service || true").strip() == "inactive"


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
