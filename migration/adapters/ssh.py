"""Warm SSH connections for the few commands inside the hold: strict host keys, and never a question for a password.

One master connection per host is opened in advance and shared, so that a command costs milliseconds. Words are quoted
one by one: no shell on the other side ever interprets data.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from migration.adapters import command
from migration.adapters.playbook_outcome import unreachable
from migration.errors import MigrationError, StepFailed, UsageError
from migration.movers import programs

_PERSIST_SECONDS: Final = 300
_SSH_FAILED: Final = 255
_COMMAND: Final = "the command over SSH"
_REACH_SECONDS: Final = 15.0
_READY: Final = "ready"
_SAY_READY: Final = ["echo", _READY]
"""A host has let us in when it says a word: a program that ends well and did nothing is no host."""
_OPTIONS: Final = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=5",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ControlMaster=auto",
    f"ControlPersist={_PERSIST_SECONDS}",
)


def ssh_words(host: str, variables: Mapping[str, Any], control: Path) -> list[str]:
    """Return the words that reach a host, from its inventory variables as Ansible reads them."""
    words = []
    for option in _OPTIONS:
        words += ["-o", option]
    if key := variables.get("ansible_ssh_private_key_file"):
        words += ["-i", str(key)]
    if port := variables.get("ansible_port"):
        words += ["-p", str(port)]
    words += shlex.split(str(variables.get("ansible_ssh_common_args", "")))
    user, address = variables.get("ansible_user"), str(variables.get("ansible_host", host))
    words.append(f"{user}@{address}" if user else address)
    # Named after everything that makes the connection: a master opened with another key must not answer for this one.
    name = hashlib.sha256("\0".join(words).encode()).hexdigest()[:24]
    return ["ssh", "-o", f"ControlPath={control}/{name}", *words]


def _is_ready(said: str) -> bool:
    # A host may greet whoever comes before that.
    return said.split()[-1:] == [_READY]


def _not_there(host: str) -> StepFailed:
    return programs.unbelieved("ssh", f"{host} was to say one word, and it did not come back", doing=f"reaching {host}")


class WarmSsh:
    """Port `Remote`."""

    def __init__(self, inventory: Path) -> None:
        self._inventory = inventory.resolve()

    def run(self, host: str, argv: Sequence[str], *, input: str | None = None, timeout_seconds: float = 10.0) -> str:
        """Return stdout; raises `StepFailed` with stderr, and tells a refused key from an absent host."""
        words = [*self._words(host), "--", shlex.join(argv)]
        done = command.run(words, input=input, timeout_seconds=timeout_seconds, check=False)
        if done.returncode == _SSH_FAILED:
            raise unreachable(_COMMAND, {host: done.stderr.strip()})
        if done.returncode != 0:
            raise StepFailed(
                "remote-command-failed",
                what=f"{shlex.join(argv)[:200]} exited with {done.returncode} on {host}",
                why=(done.stderr.strip() or done.stdout.strip() or "it said nothing")[-2_000:],
                state="its effect is read again before anything else is done",
                next="mend the cause, then: dcshift run",
            )
        return done.stdout

    def transport(self, host: str) -> list[str]:
        """Return the words that reach a host, its name last, for a program that brings its own protocol (rsync)."""
        return self._words(host)

    def refusals(self, hosts: Sequence[str]) -> dict[str, MigrationError]:
        """Return why hosts refuse a new connection, whatever older ones are still open; empty when none does."""

        def ask(host: str) -> MigrationError | None:
            try:
                # The first value of an option counts: this one makes our socket unused.
                words = [self._words(host)[0], "-o", "ControlPath=none", *self._words(host)[1:], "--"]
                done = command.run([*words, *_SAY_READY], timeout_seconds=_REACH_SECONDS, check=False)
            except MigrationError as failure:
                return failure
            if done.returncode != 0:
                return unreachable(_COMMAND, {host: done.stderr.strip()})
            return None if _is_ready(done.stdout) else _not_there(host)

        with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
            asked = dict(zip(hosts, pool.map(ask, hosts), strict=True))
        return {host: failure for host, failure in asked.items() if failure is not None}

    def warm(self, hosts: Sequence[str]) -> None:
        """Open the master connections of these hosts now, in parallel; raises `StepFailed` for the first that fails."""
        with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
            list(pool.map(self._greet, hosts))

    def _greet(self, host: str) -> None:
        if not _is_ready(self.run(host, _SAY_READY, timeout_seconds=_REACH_SECONDS)):
            raise _not_there(host)

    def close(self) -> None:
        """End the master connections that are open; without it they end by themselves after five idle minutes."""
        for host in self._hosts:
            words = self._words(host)
            command.run([words[0], "-O", "exit", *words[1:]], timeout_seconds=5, check=False)

    def _words(self, host: str) -> list[str]:
        if host not in self._hosts:
            raise UsageError(
                "host-not-in-inventory",
                what=f"{host} cannot be reached",
                why=f"the inventory {self._inventory} does not have it; it has {', '.join(sorted(self._hosts))}",
                state="nothing was changed",
                next="add the host to the inventory, or correct the catalogue",
            )
        return ssh_words(host, self._hosts[host], self._control)

    @cached_property
    def _hosts(self) -> Mapping[str, Mapping[str, Any]]:
        """Return every host's variables, as Ansible itself resolves them."""
        program = Path(sys.executable).with_name("ansible-inventory")
        said = command.run([program, "-i", self._inventory, "--list"]).stdout
        try:
            listed = json.loads(said)
        except ValueError:
            why = f"{program} does not list {self._inventory}; it says: {said.strip()[:200] or 'nothing'}"
            raise programs.unbelieved("ansible-inventory", why, doing="reading the inventory") from None
        hosts: dict[str, dict[str, Any]] = listed.get("_meta", {}).get("hostvars", {})
        for group in listed.values():
            for host in group.get("hosts", []) if isinstance(group, dict) else []:
                hosts.setdefault(host, {})
        return {host: values for host, values in hosts.items() if values.get("ansible_connection") != "local"}

    @cached_property
    def _control(self) -> Path:
        """Return our private folder of sockets: short, because a socket's path may have 107 bytes only."""
        folder = Path(tempfile.gettempdir()) / f"dcshift-ssh-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700 or not stat.S_ISDIR(found.st_mode):
            raise UsageError(
                "ssh-folder-not-private",
                what=f"{folder} cannot hold our SSH connections",
                why="it is not a folder that only we can open",
                state="nothing was changed",
                next=f"remove {folder}, then try again",
            )
        return folder
