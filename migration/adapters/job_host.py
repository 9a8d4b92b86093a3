"""Runs one playbook in a process of its own, so that a cancelled or orphaned playbook leaves nothing behind.

It must never leave a process or a file of its job, write a secret to disk or on a command line, or outlive its caller.

Protocol: one JSON job on the first line of stdin; afterwards the line `cancel`, or the end of stdin (the caller died),
ends the playbook: SIGTERM, a grace, SIGKILL for every descendant. Events go out as JSON lines, the last is `end`.
ansible-runner's own cancel kills one process group only, and Ansible's workers have sessions of their own.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import psutil

from migration.errors import UsageError
from migration.movers.memory import folder as memory_folder

PREFIX: Final = "dcshift-job-"
"""Names the private folder `dcshift-job-<pid>-…` of a job host, so that another can see that its owner is dead."""
MARKER: Final = "DCSHIFT_JOB"
"""Environment variable `<pid of the job host>` of every process of a job."""
_PR_SET_CHILD_SUBREAPER: Final = 36
_LAST_WORDS_SECONDS: Final = 10.0
_CHARACTERS_MAX: Final = 2_000


class Redactor:
    """Replaces known secret values in everything that leaves the process."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._values = sorted((value for value in secrets.values() if value), key=len, reverse=True)

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in self._values:
                value = value.replace(secret, "********")
            return value
        if isinstance(value, Mapping):
            return {str(self(key)): self(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self(item) for item in value]
        return value


class Reporter:
    """Writes events as JSON lines; a caller that is gone is no reason to fail."""

    def __init__(self, stream: TextIO, redact: Redactor) -> None:
        self._stream, self._redact, self._lock = stream, redact, threading.Lock()

    def __call__(self, event: str, **facts: Any) -> None:
        line = json.dumps({"event": event, **self._redact(facts)}, ensure_ascii=False)
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def translate(event: Mapping[str, Any], report: Reporter) -> bool:
    """Report what matters of one runner event; return False, so that the runner writes no file."""
    kind, data = event.get("event", ""), event.get("event_data") or {}
    result = data.get("res") or {}
    if kind == "playbook_on_play_start":
        report("play", name=data.get("play", ""))
    elif kind == "playbook_on_task_start":
        report("task", name=data.get("task", ""))
    elif kind == "runner_on_ok" and str(data.get("task_action", "")).endswith("set_stats"):
        report("result", host=data.get("host"), data=(result.get("ansible_stats") or {}).get("data") or {})
    elif kind in ("runner_on_failed", "runner_item_on_failed") and not data.get("ignore_errors"):
        report("failed", host=data.get("host"), task=data.get("task", ""), message=_message(result))
    elif kind == "runner_on_unreachable":
        report("unreachable", host=data.get("host"), message=_message(result))
    elif kind == "playbook_on_stats":
        report("stats", **{key: data.get(key) or {} for key in ("processed", "changed", "failures", "dark")})
    elif kind in ("error", "warning", "verbose", "system_warning", "") and str(event.get("stdout", "")).strip():
        report("said", text=str(event["stdout"]).strip()[-_CHARACTERS_MAX:])
    return False


def _message(result: Mapping[str, Any]) -> str:
    if "censored" in result:
        return "the output is withheld because the task handles secrets"
    parts = [str(result.get(key) or "").strip() for key in ("msg", "reason", "stderr", "module_stderr", "stdout")]
    return "\n".join(dict.fromkeys(part[-_CHARACTERS_MAX:] for part in parts if part)) or "it gave no reason"


def unsafe_yaml(value: Any) -> str:
    """Return a value as YAML whose strings Ansible never takes for templates, whatever braces they hold."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {unsafe_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(unsafe_yaml(item) for item in value) + "]"
    return f"!unsafe {json.dumps(value)}" if isinstance(value, str) else json.dumps(value)


def descendants() -> list[psutil.Process]:
    """Return every living process below this one; as a subreaper it inherits all orphans of its job."""
    living = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living


def end_descendants(grace_seconds: float) -> None:
    """Ask Ansible to stop, wait the grace, then kill whatever is left until nothing is."""
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    end = time.monotonic() + grace_seconds
    while descendants() and time.monotonic() < end:
        time.sleep(0.05)
    end = time.monotonic() + _LAST_WORDS_SECONDS
    while (left := descendants()) and time.monotonic() < end:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.02)


class Watch:
    """Waits for `cancel` or the caller's death, and then ends the playbook."""

    def __init__(self, stdin: TextIO, grace_seconds: float, give_up: Any) -> None:
        self.reason: str | None = None
        self.finished = threading.Event()
        self._stdin, self._grace_seconds, self._give_up = stdin, grace_seconds, give_up
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        reason = "caller-died"
        for line in self._stdin:
            if line.strip() == "cancel":
                reason = "canceled"
                break
        if self.finished.is_set():
            return
        self.reason = reason
        end_descendants(self._grace_seconds)
        if not self.finished.wait(_LAST_WORDS_SECONDS):
            self._give_up()  # the runner did not notice that its child is gone; nothing of the job lives any more


def sweep(folder: Path) -> None:
    """Remove what job hosts that were killed left behind: their private folders and their processes."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ValueError):
            owner = process.environ().get(MARKER)
            if owner and int(owner) != process.pid and not psutil.pid_exists(int(owner)):
                process.kill()
    for left in folder.glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _room(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free:,} bytes are free in {folder}"


def run_job(job: Mapping[str, Any], private: Path, report: Reporter) -> tuple[str, int]:
    """Run the playbook and return the runner's status and exit code, which alone prove nothing."""
    import ansible_runner

    variables = private / "variables.yml"
    with os.fdopen(os.open(variables, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as stream:
        stream.write(unsafe_yaml({**job["variables"], **job["secrets"]}) + "\n")
    os.environ |= {
        MARKER: str(os.getpid()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(Path(job["project"]) / "ansible.cfg"),
        "ANSIBLE_HOME": str(private / "home"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(private / "cp"),
        "ANSIBLE_NOCOLOR": "1",
        # The runner turns the check off unless somebody says otherwise here; ansible.cfg is not asked.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
    }
    ran = ansible_runner.run(
        private_data_dir=str(private),
        project_dir=str(job["project"]),
        playbook=job["playbook"],
        inventory=str(job["inventory"]),
        limit=",".join(job["limit"]),
        ident=job["ident"],
        quiet=True,
        event_handler=lambda event: translate(event, report),
        cmdline=f"-e @{variables}" + (" --check --diff" if job.get("check") else ""),
        suppress_env_files=True,
        settings={"pexpect_timeout": 0.2, "idle_timeout": 0, "suppress_output_file": True},
        forks=job["forks"],
    )
    return str(ran.status), -1 if ran.rc is None else int(ran.rc)


def main() -> int:
    """Serve one job; the exit status is 0 when the last event told the whole truth, whatever the playbook did."""
    with contextlib.suppress(PermissionError):
        os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Nothing but our events may reach the caller's pipe.
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    report = Reporter(events, Redactor(job["secrets"]))
    try:
        memory = memory_folder()
    except UsageError as refused:
        report("said", text=str(refused))
        report("end", status="failed", rc=254)
        return 0
    sweep(memory)
    try:
        private = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=memory))
    except OSError as refused:
        report("said", text=f"the playbook could not be started: {refused}; {_room(memory)}")
        report("end", status="failed", rc=254)
        return 0

    def give_up() -> None:
        shutil.rmtree(private, ignore_errors=True)
        report("end", status=watch.reason, rc=254)
        os._exit(0)

    watch = Watch(sys.stdin, float(job["grace_seconds"]), give_up)
    status, rc = "failed", 254
    try:
        status, rc = run_job(job, private, report)
    except Exception as error:
        report("said", text=f"the playbook could not be started: {error!r}; {_room(memory)}")
    finally:
        end_descendants(0)
        watch.finished.set()
        shutil.rmtree(private, ignore_errors=True)
    report("end", status=watch.reason or status, rc=rc)
    return 0


if __name__ == "__main__":
    code = main()
    # The watcher still reads stdin: an ordinary exit would wait for its lock.
    os._exit(code)
