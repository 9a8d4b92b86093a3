"""One stack of Pulumi's command line, as a person would drive it; every answer is read back as JSON."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from infra.deploy.history import Applied, last_applied
from infra.errors import InfraError
from infra.locks import past_a_left_lock
from infra.render.stack_files import FOLDER, file_of

Say = Callable[[str], None]
_UPDATES: Final = 20
"""How many updates are looked through: one that failed is followed by the one that put it back."""
_PAUSE_SECONDS: Final = 2.0
_HOPELESS_LOOKS: Final = 8
_STOP_SECONDS_MAX: Final = 30.0
_SIGNS: Final = ("+", "~", "-", "error", "Error")
_LOOKS: Final = re.compile(r" refresh(ing|ed)? \(")
"""What is only looked at before an `up` is no news: a line for every object, twice."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack by name; `policy_pack` is applied at each preview and each up."""

    name: str
    policy_pack: str | None = None
    folder: Path = FOLDER
    """Where Pulumi keeps the stacks' settings."""
    tried_file: Path | None = None
    """Settings to work with in place of the stack's own."""
    shared: bool = False
    """Whether other machines work on its state: then its own settings are those of its last success, and no file."""

    def settings(self) -> dict[str, str]:
        """Return the configuration by key. Raises `InfraError`, `ConfigError`."""
        if self.shared and self.tried_file is None:
            return self.last_applied().settings
        found = self._json(["config", "--json"]).items()
        return {
            name.partition(":")[2]: str(entry.get("value", "")) for name, entry in found if name.startswith("dcshift:")
        }

    @contextmanager
    def trying(self, values: Mapping[str, str | None]) -> Iterator[Stack]:
        """Yield this stack with other settings (None: without), which are gone afterwards unless they are kept.

        The stack's own file is not touched: whoever is killed meanwhile leaves it naming what was proved to serve.
        """
        own = file_of(self.name, self.folder)
        with tempfile.TemporaryDirectory(prefix="dcshift-deploy-") as place:
            file = Path(place) / own.name
            tried = replace(self, tried_file=file)
            if self.shared:
                tried._restore(self.last_applied())
            elif own.exists():
                shutil.copyfile(own, file)
            found = tried.settings() if file.exists() else {}
            for key, value in values.items():
                if found.get(key) != value:
                    name = f"dcshift:{key}"
                    tried._run(["config", "rm", name] if value is None else ["config", "set", name, value])
            yield tried

    def last_applied(self) -> Applied:
        """Return what the stack was last applied with and came up. Raises `InfraError`, `ConfigError`."""
        updates = self._parsed(["stack", "history", "--json", "--page-size", str(_UPDATES)])
        return last_applied(self.name, updates)

    def _restore(self, applied: Applied) -> None:
        """Write the file of settings that nobody has here."""
        assert self.tried_file is not None
        # It brings along how secrets of this state are encrypted; its settings are of the last try, come up or not.
        self._run(["config", "refresh", "--force"])
        document = yaml.safe_load(self.tried_file.read_text(encoding="utf-8"))
        text = yaml.safe_dump({**document, "config": dict(applied.config)})
        self.tried_file.write_text(text, encoding="utf-8")

    def keep(self, tried: Stack) -> None:
        """Make the settings that were tried the stack's own, all at once. Raises `OSError`."""
        own = file_of(self.name, self.folder)
        if self.shared or tried.tried_file is None or not tried.tried_file.exists():
            return  # a shared state has them since the update succeeded
        own.parent.mkdir(parents=True, exist_ok=True)
        fresh = own.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(tried.tried_file.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(own)

    def preview(self) -> dict[str, Any]:
        """Return what `up` would do. Raises `InfraError` when the program, a rule or the cluster refuses."""
        return self._json(["preview", "--json", "--refresh", *self._packs()])

    def up(self, say: Say, hopeless: Callable[[], str | None] = lambda: None) -> None:
        """Apply. Raises `InfraError` with the engine's last words when it fails.

        `hopeless` is asked every few seconds; when it gives a reason for a while, waiting for pods to come up is cut
        short, and the reason is the error's. It compares with the live objects, as the preview does: what an update
        that failed or was killed left half-way is not in the state.
        """
        words = ["up", "--yes", "--skip-preview", "--refresh", "--color", "never", "--suppress-outputs"]
        self._run([*words, *self._packs()], say, hopeless)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        return self._json(["stack", "output", "--json"])

    def _packs(self) -> list[str]:
        return ["--policy-pack", self.policy_pack] if self.policy_pack else []

    def _json(self, words: Sequence[str]) -> dict[str, Any]:
        return dict(self._parsed(words))

    def _parsed(self, words: Sequence[str]) -> Any:
        text = self._run(words)
        try:
            return json.loads(text)
        except json.JSONDecodeError as bad:
            raise self._failed(words, f"its answer is no JSON: {bad}") from bad

    def _run(
        self, words: Sequence[str], say: Say | None = None, hopeless: Callable[[], str | None] = lambda: None
    ) -> str:
        argv = ["pulumi", "--non-interactive", *words, "--stack", self.name]
        if self.tried_file and words[0] in ("config", "preview", "up"):
            argv += ["--config-file", str(self.tried_file)]
        cancel = ["pulumi", "--non-interactive", "cancel", "--yes", "--stack", self.name]
        return past_a_left_lock(
            lambda: self._said(words, argv, say, hopeless),
            lambda: self._said(["cancel"], cancel),
            lambda: say("the stack's lock was left by an engine that is gone, and was taken away") if say else None,
        )

    def _said(
        self,
        words: Sequence[str],
        argv: Sequence[str],
        say: Say | None = None,
        hopeless: Callable[[], str | None] = lambda: None,
    ) -> str:
        lines: list[str] = []
        reasons: list[str] = []
        try:
            with subprocess.Popen(
                [*_outlived_by_nobody(), *argv],
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if say else subprocess.PIPE,
                text=True,
                errors="replace",
                # Ctrl-C is ours to pass on, once: an engine that hears it twice leaves at once, and its work undone.
                start_new_session=True,
            ) as process:
                assert process.stdout is not None
                try:
                    if say:
                        threading.Thread(target=_give_up, args=(process, hopeless, reasons), daemon=True).start()
                    for line in process.stdout:
                        lines.append(line)
                        if say and line.lstrip().startswith(_SIGNS) and not _LOOKS.search(line):
                            say(" ".join(line.split()))
                    aside = process.stderr.read() if process.stderr else ""
                except BaseException:
                    _stop(process)
                    raise
        except OSError as missing:
            raise self._failed(words, str(missing)) from missing
        if process.returncode != 0:
            raise self._failed(words, "; ".join(reasons) or _told("".join(lines), aside))
        return "".join(lines)

    def _failed(self, words: Sequence[str], why: str) -> InfraError:
        return InfraError(
            "pulumi-failed",
            what=f"`pulumi {words[0]}` of stack {self.name} failed",
            why=why.strip()[-2000:] or "it said nothing",
            state="the stack's state is Pulumi's own; nothing was hidden from it",
            next=f'eval "$(dcshift env)", then pulumi preview --diff --stack {self.name}',
        )


def _outlived_by_nobody() -> list[str]:
    """Return words that let the engine hear Ctrl-C when we are killed: else it would hold the stack's lock for long."""
    return ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []


def _stop(process: subprocess.Popen[str]) -> None:
    """Let the engine end what it is doing and write its state; one that does not is killed."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()


def _give_up(process: subprocess.Popen[str], hopeless: Callable[[], str | None], reasons: list[str]) -> None:
    """Interrupt the engine, as Ctrl-C does, once there was a reason at each of `_HOPELESS_LOOKS`.

    Looks are counted and not seconds: between two of them a busy machine may let any time pass.
    """
    looks = 0
    while process.poll() is None:
        time.sleep(_PAUSE_SECONDS)
        reason = hopeless()
        looks = looks + 1 if reason is not None else 0
        if reason is not None and looks == _HOPELESS_LOOKS:
            reasons.append(reason)
            process.send_signal(signal.SIGINT)
            return


def _told(output: str, aside: str) -> str:
    """Return the engine's reasons: the diagnostics of its JSON where it printed JSON, else its text."""
    try:
        document = json.loads(output)
        told = [each["message"] for each in document.get("diagnostics", []) if each.get("severity") == "error"]
        return "\n".join(told) or aside
    except (json.JSONDecodeError, AttributeError):
        return f"{output}\n{aside}"
