"""Bad input on the whole lab, typed as a person types it: refused in four thoughts, nothing changed, mended, gone on.

The tests of this file are the acts of one play, before the move of `test_move.py` and on the same lab; they have a
state folder of their own, move `feedback` as far as its copy, and take it back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue.target import contract_hash
from lab.command import run
from lab.paths import CHECKOUT, STATE
from lab.source import machine
from migration.errors import StepFailed
from migration.movers import files_source
from migration.movers.files_job import FilesJob
from tests.support import refusing
from tests.support.play import Play, on
from tests.support.refusing import Person, Said, contract_of, contract_replaced, memory_disk, world

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]

EXAMPLE = CHECKOUT / "catalogue" / "khanh-hoa"
RUN = ("run", "--system", "feedback", "--until", "replicate")
HOSTS = ("app1", "db1", "edge1", "files1")


@pytest.fixture(scope="module")
def person(play: Play) -> Iterator[Person]:
    """A person who has surveyed and planned."""
    folder = CHECKOUT / "build" / "refusals"
    shutil.rmtree(folder, ignore_errors=True)
    someone = Person(folder / "state")
    for words in (("survey",), ("plan", "--system", "feedback")):
        assert someone.type(*words).code == 0
    yield someone
    for host in ("app1", "db1", "edge1"):
        # The move that follows counts its turns from the beginning again.
        on(host, "sudo rm -f /var/lib/dcshift/turn/feedback")


@pytest.fixture(scope="module")
def beginning(person: Person) -> dict[str, object]:
    return world("feedback")


@pytest.fixture
def unchanged(act: None, person: Person, beginning: dict[str, object]) -> Iterator[None]:
    """Let an act change nothing: not the source, not the target, and no step in the journal but what was found."""

    def begun() -> list[tuple[str, str]]:
        return [(step, kind) for step, kind in person.attempts() if kind != "found"]

    before = begun()
    yield
    assert world("feedback") == beginning
    assert begun() == before


def refused(said: Said, code: int, *words: str) -> None:
    assert said.code == code, said.text
    said.assert_four_thoughts()
    for word in words:
        assert word in said.text, word


def inventory(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Write the lab's inventory with one thing changed; return its path."""
    tree = yaml.safe_load((STATE / "inventory.yml").read_text())
    change(tree["all"]["children"]["source"])
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump(tree))
    return str(path)


def test_every_fault_of_a_catalogue_comes_at_once_with_its_line(
    person: Person, unchanged: None, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    shutil.copy(EXAMPLE / "feedback.yaml", tmp_path / "zz-again.yaml")

    def spoil(file: str, find: str, replace: str) -> str:
        path = tmp_path / file
        text = path.read_text(encoding="utf-8")
        assert find in text, find
        path.write_text(text.replace(find, replace), encoding="utf-8")
        return f"{path}:{text[: text.index(find)].count(chr(10)) + 1}: "

    faults = {
        "colour is not a known key": spoil("portal.yaml", "wave: 1", "colour: blue\nwave: 1"),
        "web.replicas is 'many'": spoil("portal.yaml", "replicas: 1", "replicas: many"),
        "id 'feedback' is already used in": f"{tmp_path / 'zz-again.yaml'}:3: ",
        "host 'db9' is not in": spoil("feedback.yaml", "database: {host: db1", "database: {host: db9"),
        "no cut could fit": spoil(
            "province.yaml", "windows: []", 'windows: [{name: never, start: "04:00", end: "04:00"}]'
        ),
    }
    said = person.type("plan", DCSHIFT_CATALOGUE=str(tmp_path))
    refused(said, 2, "error[catalogue-faulty]")
    lines = [line.removeprefix("  why:").strip() for line in said.err.splitlines()]
    for sentence, place in faults.items():
        assert [line for line in lines if line.startswith(place) and sentence in line], (place, sentence)


def test_a_wrong_key_is_told_apart_and_a_run_does_not_begin(person: Person, unchanged: None, tmp_path: Path) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"])

    def change(source: dict[str, Any]) -> None:
        source["vars"]["ansible_ssh_private_key_file"] = str(tmp_path / "key")

    wrong = inventory(tmp_path, change)
    refused(person.type("survey", DCSHIFT_INVENTORY=wrong), 1, "ssh-key-refused", "then: dcshift survey", *HOSTS)
    refused(person.type("check", DCSHIFT_INVENTORY=wrong), 3, "ssh-key-refused", *HOSTS)
    refused(person.type(*RUN, DCSHIFT_INVENTORY=wrong), 3, "ssh-key-refused", "was not begun", *HOSTS)
    assert person.type("check").code == 0


def test_an_address_that_nobody_answers_is_named(person: Person, unchanged: None, tmp_path: Path) -> None:
    def change(source: dict[str, Any]) -> None:
        source["children"]["files"]["hosts"]["files1"]["ansible_host"] = "198.51.100.77"

    wrong = inventory(tmp_path, change)
    refused(person.type("survey", DCSHIFT_INVENTORY=wrong), 1, "host-unreachable", "files1", "198.51.100.77")
    refused(person.type(*RUN, DCSHIFT_INVENTORY=wrong), 3, "host-unreachable", "files1", "was not begun")


def test_a_host_whose_ssh_server_stopped_is_named_though_older_connections_are_open(
    person: Person, unchanged: None
) -> None:
    with _no_ssh("files1"):
        refused(person.type("survey"), 1, "host-unreachable", "files1", "then: dcshift survey")
        refused(person.type(*RUN), 3, "host-unreachable", "files1", "was not begun")
    assert person.type("check").code == 0


@contextlib.contextmanager
def _no_ssh(host: str) -> Iterator[None]:
    first = machine._init(host)
    assert first is not None
    inside = ["nsenter", "-t", str(first), "-m", "-u", "-i", "-n", "-p"]
    run([*inside, "systemctl", "stop", "ssh.service"])
    try:
        yield
    finally:
        run([*inside, "systemctl", "start", "ssh.service"])


def test_a_source_that_cannot_be_followed_blocks_until_it_can(person: Person, unchanged: None) -> None:
    def restart(statement: str) -> None:
        on("db1", f'sudo -u postgres psql -qc "{statement}" && sudo systemctl restart postgresql@13-main')
        deadline = time.monotonic() + 240
        while "on" not in on("db1", "pg_isready -q && echo on || true"):
            assert time.monotonic() < deadline
            time.sleep(0.2)

    restart("ALTER SYSTEM SET wal_level = replica")
    try:
        assert person.type("survey").code == 0
        assert person.type("plan", "--system", "feedback").code == 0
        advice = "set wal_level=logical on db1"
        refused(person.type("check"), 3, "wal-level-not-logical", "wal_level is replica on db1", advice)
        refused(person.type(*RUN), 3, "error[blocked]", "wal-level-not-logical", advice)
    finally:
        restart("ALTER SYSTEM RESET wal_level")
    for words in (("survey",), ("plan", "--system", "feedback"), ("check",)):
        assert person.type(*words).code == 0


_TIMER = """[Timer]
OnCalendar=yearly
"""
_SERVICE = """[Service]
User=feedback
ExecStart=/bin/true close_old_tickets
"""


def test_what_nobody_declared_and_what_cannot_be_followed_block_until_they_are_mended(
    person: Person, unchanged: None
) -> None:
    def put(host: str, path: str, text: str) -> None:
        on(host, f"printf %s {shlex.quote(text)} | sudo tee {path} >/dev/null")

    crontab = "sudo crontab -u feedback"
    before = on("app1", f"{crontab} -l")
    site = "/etc/nginx/sites-available/feedback.conf"
    quiet = f"sudo sed -i '/server_name/a access_log off;' {site} && sudo systemctl reload nginx"
    loud = f"sudo sed -i '/^access_log off;$/d' {site} && sudo systemctl reload nginx"
    try:
        on("app1", f"({crontab} -l; echo '5 4 1 1 * /bin/true sweep_attachments') | {crontab} -")
        put("app1", "/etc/cron.d/feedback", "5 4 1 1 * feedback /bin/true send_digest\n")
        put("app1", "/etc/systemd/system/feedback-close.timer", _TIMER)
        put("app1", "/etc/systemd/system/feedback-close.service", _SERVICE)
        on("app1", "sudo systemctl daemon-reload && sudo systemctl start feedback-close.timer")
        on("edge1", quiet)
        assert person.type("survey").code == 0
        assert person.type("plan", "--system", "feedback").code == 0
        said = person.type("check")
        refused(said, 3, "job-undeclared", "sweep_attachments", "send_digest", "close_old_tickets", "jobs_left_behind")
        refused(said, 3, "access-log-blind", "a marked request was not seen")
        # The run ends at its first step, which is the site's; the jobs' own would be the next to refuse.
        refused(person.type(*RUN), 3, "Blocked: wave-2/feedback/traffic/prepare was not begun", "access-log-blind")
    finally:
        on("edge1", loud)
        on("app1", "sudo systemctl stop feedback-close.timer; sudo rm -f /etc/systemd/system/feedback-close.*")
        on("app1", "sudo rm -f /etc/cron.d/feedback; sudo systemctl daemon-reload")
        on("app1", f"printf %s {shlex.quote(before)} | {crontab} -")
    for words in (("survey",), ("plan", "--system", "feedback"), ("check",)):
        assert person.type(*words).code == 0


def test_a_catalogue_that_was_changed_after_planning_is_refused(
    person: Person, unchanged: None, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "feedback.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("replicas: 1", "replicas: 2"), encoding="utf-8")
    refused(person.type("check", DCSHIFT_CATALOGUE=str(tmp_path)), 3, "catalogue-changed", "dcshift plan")
    refused(person.type(*RUN, DCSHIFT_CATALOGUE=str(tmp_path)), 3, "catalogue-changed", "dcshift plan")


def test_a_contract_of_another_stack_or_of_another_hand_is_refused(person: Person, unchanged: None) -> None:
    portal = contract_of("portal")
    with contract_replaced("feedback", lambda own: portal):
        refused(
            person.type("check"), 3, "contract-of-another-system", "the stack of portal", "pulumi up --stack feedback"
        )
        refused(person.type(*RUN), 3, "contract-of-another-system", "pulumi up --stack feedback")

    def redirected(own: dict[str, Any]) -> dict[str, Any]:
        return {**own, "buckets": [{**bucket, "bucket": "somebody-elses"} for bucket in own["buckets"]]}

    with contract_replaced("feedback", redirected):
        refused(person.type(*RUN), 3, "contract-altered")
    with contract_replaced("feedback", lambda own: _signed_again(redirected(own))):
        refused(person.type(*RUN), 3, "contract-changed", "dcshift plan")
    assert person.type("check").code == 0


def _signed_again(contract: dict[str, Any]) -> dict[str, Any]:
    return {**contract, "hash": contract_hash(contract)}


def test_a_store_that_accepts_wrong_checksums_gets_no_file(
    act: None, person: Person, beginning: dict[str, object]
) -> None:
    with refusing.lying_store() as lies:
        refused(person.type("check"), 3, "store-accepts-wrong-checksum", "use another store")
        assert lies
        # What comes before the store's turn is put in place, and stays: the store's own step is not begun.
        refused(person.type(*RUN), 3, "store-accepts-wrong-checksum", "files/prepare was not begun")
    assert refusing.objects("feedback") == beginning["objects"]
    assert not [step for step, _ in person.attempts() if step.endswith("files/prepare") and _ != "found"]
    staging = person.state / "systems" / "feedback" / "files"
    assert not staging.exists()


def test_ctrl_c_while_the_database_is_copied_stops_safely_and_the_next_run_goes_on(
    act: None, person: Person, beginning: dict[str, object]
) -> None:
    step = "wave-2/feedback/database/replicate"
    said = person.interrupt(*RUN, when=lambda: (step, "started") in person.attempts())
    assert said.code == 130, said.text
    assert "SIGINT noted" in said.err
    assert f"Stopped safely: {step} goes on from here at the next run" in said.out
    assert "state: the source serves feedback" in said.out
    assert "next: dcshift run" in said.out
    assert "Traceback" not in said.text
    assert person.attempts()[-1] == (step, "interrupted")
    assert "target" not in str(world("feedback")["gate"]).splitlines()
    shown = person.type("status")
    assert shown.code == 0
    assert "feedback" in shown.out


def test_a_full_disk_is_named_with_its_bytes_and_the_copy_goes_on_once_there_is_room(act: None, person: Person) -> None:
    staging = person.state / "systems" / "feedback" / "files"
    with memory_disk(staging, "2m"):
        said = person.type(*RUN)
        refused(said, 1, "error[staging-full]", str(staging), "bytes", "more files with")
        assert "make room in" in said.err
        assert refusing.objects("feedback") == 0
        steps = dict(person.attempts())
        assert steps["wave-2/feedback/files/replicate"] == "undone"
        # Ctrl-C and its resumption are behind us: the database was copied before the files were refused.
        assert steps["wave-2/feedback/database/replicate"] == "done"
    ended = person.type(*RUN)
    assert ended.code == 0, ended.text
    assert refusing.objects("feedback") > 100
    assert person.type("verify", "feedback").code == 0


def test_the_way_back_leaves_the_world_as_it_was(act: None, person: Person, beginning: dict[str, object]) -> None:
    back = person.type("rollback", "feedback")
    assert back.code == 0, back.text
    assert world("feedback") == beginning


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_up_while_files_are_brought_is_named_too(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(64):
        (source / f"{number}.pdf").write_bytes(os.urandom(65_536))
    place = {"endpoint": "http://127.0.0.1:1", "region": "lab", "bucket": "b", "access_key": "a", "secret_key": "s"}
    staging = tmp_path / "staging"
    words = {"system": "portal", "name": "uploads", "token": 1, "source": str(source), "staging": staging, "become": []}
    job = FilesJob.model_validate(words | place)
    with memory_disk(staging, "1m"):
        with pytest.raises(StepFailed) as full:
            files_source.pull(job, frozen=False)
        assert full.value.code == "staging-full"
        assert "bytes" in full.value.why
        assert str(staging) in full.value.why
        subprocess.run(["mount", "-o", "remount,size=64m", staging], check=True)
        files_source.pull(job, frozen=False)
        assert len(json.dumps(sorted(map(str, files_source.scan(job))))) > 64
