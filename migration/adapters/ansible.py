"""Runs playbooks through job hosts, each within its time; it never imports Ansible or leaves a playbook behind."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from migration.adapters import command
from migration.adapters.playbook_outcome import Outcome, judge
from migration.errors import UsageError
from migration.model.words import Json
from migration.movers import memory
from migration.ports import PlaybookResult

PLAYBOOKS: Final = Path(__file__).resolve().parents[2] / "playbooks"
_SECRET_CHARACTERS_MIN: Final = 8
_LOGS_MAX: Final = 200
_PASSED_ON: Final = ("PATH", "HOME", "USER", "PYTHONPATH", "SSH_AUTH_SOCK")
"""Only what Ansible needs: an environment is readable by every process of the same user.

The last one names the socket of the operator's agent, not a key: without it, whoever keeps keys there reaches no host.
"""


class AnsiblePlaybooks:
    """Port `Playbooks`."""

    def __init__(
        self,
        inventory: Path,
        state_folder: Path,
        *,
        project: Path = PLAYBOOKS,
        grace_seconds: float = 5.0,
        forks: int = 8,
    ) -> None:
        self._inventory, self._project = inventory.resolve(), project.resolve()
        self._logs = state_folder / "playbooks"
        self._grace_seconds, self._forks = grace_seconds, forks

    def run(
        self,
        playbook: str,
        *,
        limit: Sequence[str],
        variables: Mapping[str, Json],
        secrets: Mapping[str, str] | None = None,
        timeout_seconds: float = 300.0,
        check: bool = False,
    ) -> PlaybookResult:
        """Run `<playbook>.yml` against exactly these hosts; `check` only says what it would change.

        Raises `UsageError` when it cannot be begun, and `StepFailed` with the failed task, the host and the reason. On
        any exception, an interrupt included, the playbook and all of its processes on this machine are ended first.
        """
        self._refuse_bad_request(playbook, limit, secrets or {})
        memory.folder()  # asked here too: what the job host finds wanting is told in fewer words
        job: dict[str, Json] = {
            "playbook": f"{playbook}.yml",
            "project": str(self._project),
            "inventory": str(self._inventory),
            "limit": list(limit),
            "variables": dict(variables),
            "secrets": dict(secrets or {}),
            "forks": self._forks,
            "grace_seconds": self._grace_seconds,
            "check": check,
            "ident": f"{playbook}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:6]}",
        }
        started = time.monotonic()
        outcome = self._serve(job, timeout_seconds)
        judge(playbook, limit, outcome, timeout_seconds)
        return PlaybookResult({host: outcome.results[host] for host in limit}, time.monotonic() - started)

    def _refuse_bad_request(self, playbook: str, limit: Sequence[str], secrets: Mapping[str, str]) -> None:
        faults = [f"secret {name} is shorter than 8 characters" for name, value in secrets.items()
                  if len(value) < _SECRET_CHARACTERS_MIN]  # fmt: skip
        faults += [f"{path} does not exist" for path in (self._inventory, self._project / f"{playbook}.yml")
                   if not path.exists()]  # fmt: skip
        if not limit or any(not host or set(host) & set(",:!&*[]{}~ ") for host in limit):
            faults.append(f"the hosts must be plain names, given were: {list(limit)}")
        if faults:
            raise UsageError(
                "playbook-request-invalid",
                what=f"playbook {playbook} was not started",
                why="; ".join(faults),
                state="nothing was changed",
                next="set DCSHIFT_INVENTORY to an inventory that has these hosts, then try again",
            )

    def _serve(self, job: Mapping[str, Json], timeout_seconds: float) -> Outcome:
        outcome = Outcome()
        env = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        process = command.start(
            [sys.executable, "-m", "migration.adapters.job_host"],
            env={**env, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"},
            stderr=subprocess.DEVNULL,
        )
        log = self._open_log(str(job["ident"]))
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
        try:
            _send(process, json.dumps(job))
            deadline, canceled = time.monotonic() + timeout_seconds, False
            while True:
                try:
                    line = lines.get(timeout=max(0.05, deadline - time.monotonic()))
                except queue.Empty:
                    if canceled:
                        break
                    _send(process, "cancel")
                    canceled, deadline = True, time.monotonic() + self._grace_seconds + 20
                    continue
                if line is None:
                    break
                _append(log, line)
                outcome.take(json.loads(line))
                if outcome.status is not None:
                    break
        finally:
            _end(process, self._grace_seconds + 20)
        return outcome

    def _open_log(self, ident: str) -> Path:
        """Return the path of this job's events, redacted at their origin; only the latest logs are kept."""
        path = self._logs / f"{ident}.jsonl"
        with contextlib.suppress(OSError):
            self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            for old in sorted(self._logs.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)[:-_LOGS_MAX]:
                old.unlink(missing_ok=True)
            path.touch(mode=0o600)
        return path


def _append(log: Path, line: str) -> None:
    # A log that cannot be written is no reason to break a playbook off half-way; what counts is judged in memory.
    with contextlib.suppress(OSError), log.open("a") as stream:
        stream.write(line)


def _pump(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _send(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # a job host that died is noticed by the end of its output
        process.stdin.write(line + "\n")
        process.stdin.flush()


def _end(process: subprocess.Popen[str], seconds: float) -> None:
    """Close the job host's stdin, which ends its playbook, and wait; kill its session if it does not go."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)
