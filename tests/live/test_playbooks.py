"""The playbooks on the lab's real hosts: done once, done twice, undone to the letter; hosts that cannot be reached."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from catalogue.load import load
from lab import addresses
from lab.command import run
from lab.paths import CHECKOUT, STATE
from lab.source import configure
from migration.adapters.ansible import AnsiblePlaybooks
from migration.adapters.gate_tool import GateTool
from migration.adapters.ssh import WarmSsh
from migration.adapters.survey import AnsibleSurveyor
from migration.errors import StepFailed
from migration.model.words import Json

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and mounts need root"),
]

PORTAL = addresses.SITES["portal"]
_turn = iter(range(1_000, 9_999))


@pytest.fixture(scope="module")
def source(standing_source: None) -> Iterator[None]:
    _forget_turns()
    yield
    _forget_turns()


def _forget_turns() -> None:
    for host in ("app1", "db1", "edge1"):
        on(host, "sudo rm -f /var/lib/dcshift/turn/portal")


@pytest.fixture
def playbooks(source: None, tmp_path: Path) -> AnsiblePlaybooks:
    return AnsiblePlaybooks(STATE / "inventory.yml", tmp_path)


def on(host: str, command: str) -> str:
    return run([*configure.ssh(host), command], timeout_seconds=240).stdout


def play(
    playbooks: AnsiblePlaybooks, playbook: str, component: str, host: str, turn: int | None = None, **variables: Json
) -> Mapping[str, Json]:
    turns: dict[str, Json] = {"dcshift_system": "portal", "dcshift_component": component}
    secrets = {"postgres_source_password": "a-long-password-of-tests"} if component == "database" else {}
    all_variables = {**turns, "dcshift_token": turn or next(_turn), **variables}
    return playbooks.run(playbook, limit=[host], variables=all_variables, secrets=secrets).results[host]


def changed(state: Path) -> dict[str, int]:
    """Return how many tasks of the latest playbook changed something, by host, as Ansible counted them."""
    log = max((state / "playbooks").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    counted: dict[str, int] = next(event["changed"] for event in events if event["event"] == "stats")
    return counted


def test_a_survey_fills_the_inventory_and_two_agree(playbooks: AnsiblePlaybooks) -> None:
    catalogue = load(CHECKOUT / "catalogue" / "khanh-hoa")
    inventory = AnsibleSurveyor(playbooks).survey(catalogue)
    assert {host.distribution.split(".")[0] for host in inventory.hosts.values()} == {"Debian 11"}
    assert {abs(host.clock_offset_seconds) < 1 for host in inventory.hosts.values()} == {True}
    portal = inventory.systems["portal"]
    assert portal.database.server_version_number // 10_000 == 13
    assert [table.name for table in portal.database.tables if not table.has_primary_key] == ["access_log"]
    assert (portal.database.large_objects, portal.database.wal_level) == (200, "logical")
    assert portal.files["uploads"].files >= 2_000
    assert portal.jobs["reconcile-payments"].armed
    assert portal.web.active
    assert portal.workers["notices"].active
    assert portal.workers["notices"].enabled
    assert portal.traffic.server_names == [PORTAL]


def test_jobs_are_disarmed_and_rearmed_to_the_letter(playbooks: AnsiblePlaybooks) -> None:
    words: dict[str, Json] = {"cron_jobs_user": "portal", "cron_jobs_words": {"pay": ["reconcile_payments"]}}
    before = on("app1", "sudo crontab -l -u portal")
    for expected in (True, False):
        done = play(playbooks, "quiesce", "jobs", "app1", **words)
        assert done["changed"] is expected
        assert done["jobs"]["pay"]["armed"] is False  # type: ignore[index,call-overload]
    mark = f"# dcshift-disarmed @{done['jobs']['pay']['disarmed_at']} "  # type: ignore[index,call-overload]
    assert on("app1", "sudo crontab -l -u portal") == before.replace("* * * * *", mark + "* * * * *")
    assert play(playbooks, "watch", "jobs", "app1", **words)["changed"] is False
    for expected in (True, False):
        assert play(playbooks, "rollback", "jobs", "app1", **words)["changed"] is expected
    assert on("app1", "sudo crontab -l -u portal") == before


def test_a_turn_that_is_over_changes_nothing(playbooks: AnsiblePlaybooks) -> None:
    words: dict[str, Json] = {"cron_jobs_user": "portal", "cron_jobs_words": {"pay": ["reconcile_payments"]}}
    turn = next(_turn)
    play(playbooks, "watch", "jobs", "app1", turn=turn, **words)
    before = on("app1", "sudo crontab -l -u portal")
    with pytest.raises(StepFailed) as refused:
        play(playbooks, "quiesce", "jobs", "app1", turn=turn - 1, **words)
    assert f"turn {turn - 1} of portal is over" in refused.value.why
    assert on("app1", "sudo crontab -l -u portal") == before


def test_a_job_that_no_line_runs_is_refused(playbooks: AnsiblePlaybooks) -> None:
    with pytest.raises(StepFailed) as refused:
        play(playbooks, "quiesce", "jobs", "app1", cron_jobs_user="portal", cron_jobs_words={"x": ["no_such_job"]})
    assert "job x: 0 lines run 'no_such_job', exactly one must" in refused.value.why


def test_a_service_is_stopped_and_started_again(playbooks: AnsiblePlaybooks) -> None:
    name = "feedback.service"
    for playbook, active in (("watch", False), ("rollback", True)):
        for expected in (True, False):
            done = play(playbooks, playbook, "web", "app1", service_name=name)
            assert (done["changed"], done["active"], done["enabled"]) == (expected, active, active)
    worker = {"service_name": "portal-notices.service"}
    for playbook, active in (("quiesce", False), ("watch", False), ("rollback", True)):
        done = play(playbooks, playbook, "workers", "app1", **worker)
        assert (done["changed"], done["active"], done["enabled"]) == (playbook != "watch", active, active)
    with pytest.raises(StepFailed) as refused:
        play(playbooks, "watch", "web", "app1", service_name="nothing.service")
    assert "nothing.service is 'not-found' to systemd" in refused.value.why


def test_the_migration_is_let_into_a_database_and_shut_out_again(playbooks: AnsiblePlaybooks) -> None:
    words: dict[str, Json] = {
        "postgres_source_database": "portal",
        "postgres_source_owner": "portal",
        "postgres_source_clients": [f"{addresses.UPLINK_ROOT}/32"],
    }
    rules = on("db1", "sudo cat /etc/postgresql/13/main/pg_hba.conf")
    for expected in (True, False):
        assert play(playbooks, "prepare", "database", "db1", **words)["changed"] is expected
    login = f"host={addresses.SOURCE_HOSTS['db1']} dbname=portal user=dcshift_migration sslmode=require"
    told = run(
        ["psql", "-XAtc", "SELECT count(*) FROM dcshift.marker; SELECT pg_has_role('portal', 'member')", login],
        env={"PGPASSWORD": "a-long-password-of-tests"},
    )
    assert told.stdout.split() == ["1", "t"]
    assert "a-long-password" not in on("db1", "sudo sh -c 'cat /var/log/postgresql/*.log; true'")
    for expected in (True, False):
        assert play(playbooks, "rollback", "database", "db1", **words)["changed"] is expected
    assert on("db1", "sudo cat /etc/postgresql/13/main/pg_hba.conf") == rules
    roles = "SELECT count(*) FROM pg_roles WHERE rolname = 'dcshift_migration'"
    assert on("db1", f'sudo -u postgres psql -XAtc "{roles}"').strip() == "0"


def test_the_gate_comes_holds_and_goes_without_a_trace(playbooks: AnsiblePlaybooks, tmp_path: Path) -> None:
    words: dict[str, Json] = {
        "gate_site": "portal",
        "gate_hosts": [PORTAL],
        "gate_target_address": "192.0.2.10:443",
        "gate_target_ca": (STATE / "ca" / "ca.pem").read_text(),
    }
    play(playbooks, "rollback", "traffic", "edge1", gate_site="portal")
    trace = "sudo sh -c 'nft list tables; ls /etc/systemd/system /usr/local/sbin; ls /etc/dcshift /var/lib/dcshift'"
    before = on("edge1", trace + "; true")
    remote = WarmSsh(STATE / "inventory.yml")
    turn = next(_turn)
    for _ in range(2):
        play(playbooks, "prepare", "traffic", "edge1", turn=turn, **words)
        status = GateTool(remote, "edge1").status()
        assert status is not None
        assert (status.redirected, status.direct_connections, status.sites["portal"].state) == (True, 0, "source")
    assert changed(tmp_path) == {}, "the second run changed something"
    again = playbooks.run(
        "prepare",
        limit=["edge1"],
        variables={"dcshift_system": "portal", "dcshift_component": "traffic", "dcshift_token": next(_turn), **words},
        check=True,
    )
    assert again.results["edge1"] == {}
    gate, words_of_turn = GateTool(remote, "edge1"), f"portal:{next(_turn)}"
    assert gate.change(["hold", "portal", "3"], turn=words_of_turn).sites["portal"].state == "hold"
    assert gate.change(["set", "portal", "source"], turn=words_of_turn).sites["portal"].decided == "source"
    assert play(playbooks, "cutover", "traffic", "edge1", gate_site="portal", gate_state="hold")["sites"]
    with pytest.raises(StepFailed) as refused:
        play(playbooks, "rollback", "traffic", "edge1", gate_site="portal")
    assert "portal is on hold: set it to source before it leaves the gate" in refused.value.why
    play(playbooks, "cutover", "traffic", "edge1", gate_site="portal", gate_state="source")
    for expected in (True, False):
        assert play(playbooks, "rollback", "traffic", "edge1", gate_site="portal")["changed"] is expected
    assert on("edge1", trace + "; true") == before
    remote.close()


def strangers(tmp_path: Path, **variables: str) -> AnsiblePlaybooks:
    """Return playbooks over an inventory whose hosts have other variables."""
    inventory = yaml.safe_load((STATE / "inventory.yml").read_text())
    inventory["all"]["children"]["source"]["vars"] |= variables
    (tmp_path / "other.yml").write_text(yaml.safe_dump(inventory))
    return AnsiblePlaybooks(tmp_path / "other.yml", tmp_path)


def test_a_wrong_key_an_unknown_host_and_an_absent_one_are_told_apart(source: None, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    (tmp_path / "known").touch()
    strict = f"-o UserKnownHostsFile={tmp_path / 'known'} -o StrictHostKeyChecking=yes"
    for code, variables in (
        ("ssh-key-refused", {"ansible_ssh_private_key_file": str(tmp_path / "key")}),
        ("ssh-host-key-unknown", {"ansible_ssh_common_args": strict}),
        ("host-unreachable", {"ansible_port": "9"}),
    ):
        with pytest.raises(StepFailed) as failed:
            play(strangers(tmp_path, **variables), "watch", "web", "app1", service_name="portal.service")
        assert failed.value.code == code
        assert "app1" in failed.value.what
        other = WarmSsh(tmp_path / "other.yml")
        with pytest.raises(StepFailed) as failed:
            other.run("app1", ["true"])
        assert failed.value.code == code
