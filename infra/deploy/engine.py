"""One stack of Pulumi's command line, as a person would drive it; every answer is read back as JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.errors import InfraError

Say = Callable[[str], None]
_PAUSE_SECONDS: Final = 2.0
_HOPELESS_SECONDS: Final = 15.0
_SIGNS: Final = ("+", "~", "-", "error", "Error")


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack by name; `policy_pack` is applied at each preview and each up."""

    name: str
    policy_pack: str | None = None

    def settings(self) -> dict[str, str]:
        """Return the stack's own configuration by key."""
        found = self._json(["config", "--json"]).items()
        return {
            name.partition(":")[2]: str(entry.get("value", "")) for name, entry in found if name.startswith("dcshift:")
        }

    def set(self, key: str, value: str | None) -> None:
        """Set a value, or take it out."""
        words = ["config", "rm", f"dcshift:{key}"] if value is None else ["config", "set", f"dcshift:{key}", value]
        self._run(words)

    def preview(self) -> dict[str, Any]:
        """Return what `up` would do. Raises `InfraError` when the program, a rule or the cluster refuses."""
        return self._json(["preview", "--json", "--refresh", *self._packs()])

    def up(self, say: Say, hopeless: Callable[[], str | None] = lambda: None, *, refresh: bool = False) -> None:
        """Apply. Raises `InfraError` with the engine's last words when it fails.

        `hopeless` is asked every few seconds; when it gives a reason for a while, waiting for pods to come up is cut
        short, and the reason is the error's. `refresh`: compare with the live objects, not with what was last applied
        whole; an update that failed half-way is only seen so.
        """
        words = ["up", "--yes", "--skip-preview", "--color", "never", "--suppress-outputs", *self._packs()]
        self._run([*words, *(["--refresh"] if refresh else [])], say, hopeless)

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        return self._json(["stack", "output", "--json"])

    def _packs(self) -> list[str]:
        return ["--policy-pack", self.policy_pack] if self.policy_pack else []

    def _json(self, words: Sequence[str]) -> dict[str, Any]:
        text = self._run(words)
        try:
            parsed = json.loads(text)
        except json.JSONDecodeError as bad:
            raise self._failed(words, f"its answer is no JSON: {bad}") from bad
        return dict(parsed)

    def _run(
        self, words: Sequence[str], say: Say | None = None, hopeless: Callable[[], str | None] = lambda: None
    ) -> str:
        argv = ["pulumi", "--non-interactive", *words, "--stack", self.name]
        lines: list[str] = []
        reasons: list[str] = []
        try:
            with subprocess.Popen(
                argv,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if say else subprocess.PIPE,
                text=True,
                errors="replace",
            ) as process:
                assert process.stdout is not None
                if say:
                    threading.Thread(target=_give_up, args=(process, hopeless, reasons), daemon=True).start()
                for line in process.stdout:
                    lines.append(line)
                    if say and line.lstrip().startswith(_SIGNS):
                        say(" ".join(line.split()))
                aside = process.stderr.read() if process.stderr else ""
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


def _give_up(process: subprocess.Popen[str], hopeless: Callable[[], str | None], reasons: list[str]) -> None:
    """Interrupt the engine, as Ctrl-C does, once there was a reason without a break for `_HOPELESS_SECONDS`."""
    since = time.monotonic()
    while process.poll() is None:
        time.sleep(_PAUSE_SECONDS)
        reason = hopeless()
        if reason is None:
            since = time.monotonic()
        elif time.monotonic() - since > _HOPELESS_SECONDS:
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
