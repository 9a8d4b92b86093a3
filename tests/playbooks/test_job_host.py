"""Job hosts: what is done counts only with results, and whatever happens nothing of a playbook lives on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml

from migration.adapters.ansible import PLAYBOOKS, AnsiblePlaybooks
from migration.adapters.job_host import MARKER, PREFIX
from migration.errors import MigrationError, StepFailed, UsageError
from migration.movers import memory
from tests.support.patience import SECONDS_MAX, until

INVENTORY = {
    "all": {
        "hosts": {
            "near": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
            "absent": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "nobody"},
        }
    }
}
SLOW = [{"ansible.builtin.shell": "trap '' TERM; for i in $(seq 2000); do echo $i >> {{ file }}; sleep 0.1; done"}]
REPORT = {"ansible.builtin.set_stats": {"per_host": True, "data": {"dcshift_result": {"said": "{{ word }}"}}}}


@pytest.fixture
def playbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnsiblePlaybooks:
    # Others may run playbooks here, a move or the same test of another checkout: ours are known by their home.
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(INVENTORY))
    (tmp_path / "ansible.cfg").write_text((PLAYBOOKS / "ansible.cfg").read_text())
    return AnsiblePlaybooks(tmp_path / "inventory.yml", tmp_path / "state", project=tmp_path, grace_seconds=1)


def write(folder: Path, tasks: list[dict[str, object]], *, hosts: str = "all", name: str = "play") -> None:
    play = {"hosts": hosts, "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}
    (folder / f"{name}.yml").write_text(yaml.safe_dump([play], sort_keys=False))


def processes_of_jobs(home: Path) -> list[tuple[psutil.Process, int]]:
    """Return what lives of the playbooks of one test, each with its job host; it may end at any moment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if (
                environment.get(MARKER)
                and environment.get("HOME") == str(home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append((process, int(environment[MARKER])))
    return found


def leftovers(home: Path) -> list[str]:
    """Return processes of this test, and folders whose owner is dead: those of the living are still in use."""
    folders = [path.name for path in memory.folder().glob(f"{PREFIX}*") if not _is_in_use(path, home)]
    return [str(process) for process, _ in processes_of_jobs(home)] + folders


def _is_in_use(folder: Path, home: Path) -> bool:
    try:
        owner = psutil.Process(int(folder.name.removeprefix(PREFIX).split("-")[0]))
        return owner.environ().get("HOME") != str(home)
    except psutil.Error:
        return False


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def await_lines(path: Path, count: int) -> None:
    until(lambda: lines(path) >= count, "the playbook did not start", 150)


def test_a_result_comes_back_as_it_was_said_even_with_braces(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    write(tmp_path, [REPORT])
    result = playbooks.run("play", limit=["near"], variables={"word": "a {{ b }} ệ \" '"})
    assert result.results["near"] == {"said": "a {{ b }} ệ \" '"}
    assert leftovers(tmp_path) == []


def test_secrets_reach_the_playbook_and_nothing_else(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    seen = tmp_path / "seen"
    look = f"test $(wc -c) = 13 && (ps -eww -o args; cat /proc/*/environ) > {seen} 2> /dev/null || true"
    use = {"ansible.builtin.shell": {"cmd": look, "stdin": "{{ key }}"}}
    write(tmp_path, [use, REPORT, {"ansible.builtin.fail": {"msg": "it says {{ key }}"}}])
    with pytest.raises(StepFailed) as failed:
        playbooks.run("play", limit=["near"], variables={"word": "w"}, secrets={"key": "s3cret-v4lue"})
    assert failed.value.why == "it says ********"
    assert "ansible-playbook" in seen.read_text(errors="replace")
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in [seen, *kept] if "s3cret-v4lue" in path.read_text(errors="replace")]
    assert leftovers(tmp_path) == []


def test_a_play_that_matches_no_host_is_a_failure(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    write(tmp_path, [REPORT], hosts="absent")
    with pytest.raises(StepFailed) as failed:
        playbooks.run("play", limit=["near"], variables={"word": "w"})
    assert (failed.value.code, "near" in failed.value.what) == ("playbook-reached-no-host", True)


def test_a_host_that_the_inventory_does_not_have_is_a_failure(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    write(tmp_path, [REPORT])
    with pytest.raises(StepFailed) as failed:
        playbooks.run("play", limit=["nowhere"], variables={"word": "w"})
    assert failed.value.code == "playbook-did-not-run"
    assert "nowhere" in failed.value.why


def test_a_host_that_reports_nothing_is_a_failure(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    write(tmp_path, [{**REPORT, "when": "false"}])
    with pytest.raises(StepFailed) as failed:
        playbooks.run("play", limit=["near"], variables={"word": "w"})
    assert failed.value.code == "playbook-without-result"


def test_a_failed_task_is_named_with_its_host_and_reason(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    write(tmp_path, [{"name": "Look for it", "ansible.builtin.command": "ls /no/such/place"}, REPORT])
    with pytest.raises(StepFailed) as failed:
        playbooks.run("play", limit=["near"], variables={"word": "w"})
    assert "near at the task 'Look for it'" in failed.value.what
    assert "/no/such/place" in failed.value.why


def test_an_unreachable_host_is_named_with_the_reason(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    write(tmp_path, [{"ansible.builtin.command": "true"}])
    with pytest.raises(StepFailed) as failed:
        playbooks.run("play", limit=["absent"], variables={})
    assert failed.value.code == "host-unreachable"
    assert "absent" in failed.value.what
    assert "refused" in failed.value.why


def test_unknown_hosts_are_refused_although_the_runner_would_let_them_pass(
    tmp_path: Path, playbooks: AnsiblePlaybooks
) -> None:
    seen = tmp_path / "seen"
    write(tmp_path, [{"ansible.builtin.shell": f"env > {seen}"}, REPORT])
    playbooks.run("play", limit=["near"], variables={"word": "w"})
    assert "ANSIBLE_HOST_KEY_CHECKING=True" in seen.read_text().splitlines()


def test_a_playbook_beyond_its_time_is_ended_and_writes_nothing_more(
    tmp_path: Path, playbooks: AnsiblePlaybooks
) -> None:
    write(tmp_path, SLOW)
    file = tmp_path / "written"
    # How long Ansible takes to begin is this machine's affair: it gets more time until its time ends at work.
    for seconds in (4, 16, 64, 256):
        with pytest.raises(StepFailed) as failed:
            playbooks.run("play", limit=["near"], variables={"file": str(file)}, timeout_seconds=seconds)
        assert failed.value.code == "playbook-too-slow"
        if lines(file):
            break
    written = lines(file)
    time.sleep(1)
    assert lines(file) == written > 0
    until(lambda: leftovers(tmp_path) == [])  # what was killed takes a moment to go


def test_an_interrupt_in_the_caller_ends_the_playbook(tmp_path: Path, playbooks: AnsiblePlaybooks) -> None:
    write(tmp_path, SLOW)
    file = tmp_path / "written"

    def interrupt() -> None:
        await_lines(file, 2)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # A shell that starts tests in the background lets them ignore this signal; here it must be heard.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            playbooks.run("play", limit=["near"], variables={"file": str(file)})
    finally:
        signal.signal(signal.SIGINT, before)
    written = lines(file)
    time.sleep(1)
    assert lines(file) == written
    until(lambda: leftovers(tmp_path) == [])  # what was killed takes a moment to go


@pytest.mark.parametrize("victim", ["caller", "job host"])
def test_whoever_is_killed_no_playbook_lives_on(tmp_path: Path, playbooks: AnsiblePlaybooks, victim: str) -> None:
    write(tmp_path, SLOW)
    write(tmp_path, [REPORT], name="next")
    file = tmp_path / "written"
    script = (
        "import pathlib; from migration.adapters.ansible import AnsiblePlaybooks as A\n"
        f"A(pathlib.Path({str(tmp_path / 'inventory.yml')!r}), pathlib.Path({str(tmp_path / 'state')!r}), "
        f"project=pathlib.Path({str(tmp_path)!r}), grace_seconds=1)"
        f".run('play', limit=['near'], variables={{'file': {str(file)!r}}})"
    )
    caller = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    await_lines(file, 2)
    _, host = processes_of_jobs(tmp_path)[0]
    os.kill(caller.pid if victim == "caller" else host, signal.SIGKILL)
    caller.wait(SECONDS_MAX)
    if victim == "job host":
        # Nobody is left to clean up: the next job host does, before it acts.
        playbooks.run("next", limit=["near"], variables={"word": "w"})
    until(lambda: leftovers(tmp_path) == [])
    written = lines(file)
    time.sleep(0.5)
    assert lines(file) == written


def test_a_bad_request_names_all_of_its_faults(playbooks: AnsiblePlaybooks) -> None:
    with pytest.raises(UsageError) as refused:
        playbooks.run("none", limit=["all:!near"], variables={}, secrets={"key": "short"})
    assert isinstance(refused.value, MigrationError)
    assert all(word in refused.value.why for word in ("none.yml", "plain names", "key is shorter"))
    assert "short'" not in json.dumps(refused.value.as_dict())
