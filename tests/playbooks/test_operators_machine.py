"""What a playbook gets of the operator's machine: an agent with its keys, memory for secrets, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from migration.adapters.ansible import PLAYBOOKS, AnsiblePlaybooks
from migration.errors import UsageError
from migration.movers import memory

ROOT = Path(__file__).parents[2]
NEAR = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture
def playbooks(tmp_path: Path) -> AnsiblePlaybooks:
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"near": NEAR}}}))
    (tmp_path / "ansible.cfg").write_text((PLAYBOOKS / "ansible.cfg").read_text())
    return AnsiblePlaybooks(tmp_path / "inventory.yml", tmp_path / "state", project=tmp_path, grace_seconds=1)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start an agent that holds one key; yield the key's fingerprint."""
    socket, key = tmp_path / "agent", tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f", key], check=True)
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:
        try:
            while not socket.exists():
                assert process.poll() is None, "the agent did not start"
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", key], check=True)
            shown = subprocess.run(["ssh-keygen", "-l", "-f", key], check=True, capture_output=True, text=True).stdout
            yield shown.split()[1]
        finally:
            process.terminate()


def saying(folder: Path, command: str) -> None:
    """Write a play that reports what a command says on the machine of the operator."""
    tasks: list[dict[str, object]] = [
        {"ansible.builtin.shell": command, "register": "asked"},
        {"ansible.builtin.set_stats": {"per_host": True, "data": {"dcshift_result": {"said": "{{ asked.stdout }}"}}}},
    ]
    play = {"hosts": "all", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))


def test_a_playbook_reaches_the_operators_agent(tmp_path: Path, playbooks: AnsiblePlaybooks, agent: str) -> None:
    saying(tmp_path, "ssh-add -l")
    assert agent in str(playbooks.run("play", limit=["near"], variables={}).results["near"]["said"])


def test_no_other_variable_of_the_operator_reaches_it(
    tmp_path: Path, playbooks: AnsiblePlaybooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for name in ("SSH_AGENT_PID", "SSH_ASKPASS", "AWS_SECRET_ACCESS_KEY", "ANSIBLE_VAULT_PASSWORD_FILE"):
        monkeypatch.setenv(name, "of-the-operator")
    saying(tmp_path, "env")
    said = str(playbooks.run("play", limit=["near"], variables={}).results["near"]["said"])
    assert "of-the-operator" not in said
    assert "SSH_AUTH_SOCK" not in said


def test_a_folder_of_the_disk_is_no_place_for_secrets() -> None:
    with pytest.raises(UsageError) as refused:
        memory.folder([ROOT, ROOT / "does-not-exist", Path("/proc/self")])
    assert refused.value.code == "no-folder-in-memory"
    assert str(ROOT) in refused.value.why
    assert "mount -t tmpfs" in refused.value.next


_WITHOUT_MEMORY = """
for place in /dev/shm /run/shm /run/user/$(id -u); do
    test ! -d $place || mount --bind {disk} $place
done
exec {python} -m migration.adapters.job_host
"""


def test_a_job_host_on_a_machine_without_memory_writes_no_secret_to_the_disk(tmp_path: Path) -> None:
    """In a mount namespace of its own, where all of these folders are the checkout's file system."""
    disk = ROOT / "build" / f"no-memory-{os.getpid()}"
    disk.mkdir(parents=True)
    job = '{"secrets": {"key": "s3cret-v4lue"}, "variables": {}, "grace_seconds": 1}\n'
    try:
        script = _WITHOUT_MEMORY.format(disk=disk, python=sys.executable)
        ended = subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-ec", script],
            input=job,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(disk)},
            timeout=240,
            check=False,
        )
        assert "error[no-folder-in-memory]" in ended.stdout, ended.stderr
        assert '"status": "failed"' in ended.stdout.splitlines()[-1]
        assert list(disk.iterdir()) == []
    finally:
        disk.rmdir()
