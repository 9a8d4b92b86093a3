"""Judges a playbook by what its hosts reported; it never calls one done for want of bad news.

Done means that every host of the limit was processed without a failure and gave a result by `set_stats`: Ansible
itself calls a play that matched no host a success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from migration.errors import StepFailed
from migration.model.words import Json

RESULT: Final = "dcshift_result"
"""The key of `set_stats` under which a host reports."""
_SURVEY: Final = "survey"
"""The one playbook that only reads, and that no step runs."""


@dataclass(slots=True)
class Outcome:
    """What the events of one job host said."""

    results: dict[str, dict[str, Json]] = field(default_factory=dict)
    processed: set[str] = field(default_factory=set)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """(host, task, message)"""
    unreachable: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    task: str = "starting"
    status: str | None = None
    rc: int = -1

    def take(self, event: Mapping[str, object]) -> None:
        """Fold in one event."""
        kind, host = event.get("event"), str(event.get("host", ""))
        if kind == "task":
            self.task = str(event["name"])
        elif kind == "result" and isinstance(data := event["data"], dict) and isinstance(data.get(RESULT), dict):
            self.results[host] = data[RESULT]
        elif kind == "failed":
            self.failures.append((host, str(event["task"]), str(event["message"])))
        elif kind == "unreachable":
            self.unreachable[host] = str(event["message"])
        elif kind == "said":
            self.said.append(str(event["text"]))
        elif kind == "stats" and isinstance(processed := event["processed"], dict):
            self.processed |= set(processed)
        elif kind == "end":
            self.status, self.rc = str(event["status"]), int(str(event["rc"]))


def judge(playbook: str, limit: Sequence[str], outcome: Outcome, timeout_seconds: float) -> None:
    """Raise `StepFailed` unless every host was reached, processed without a failure, and reported."""
    if outcome.status == "canceled":
        raise _failure(
            "playbook-too-slow",
            f"playbook {playbook} did not finish in {timeout_seconds:.0f} s and was ended",
            f"it was at the task '{outcome.task}'",
            playbook,
        )
    if outcome.unreachable:
        raise unreachable(playbook, outcome.unreachable)
    if outcome.failures:
        host, task, message = outcome.failures[-1]
        others = sorted({name for name, *_ in outcome.failures} - {host})
        also = f" (and on {', '.join(others)})" if others else ""
        raise _failure(
            "playbook-failed", f"playbook {playbook} failed on {host}{also} at the task '{task}'", message, playbook
        )
    if outcome.status != "successful":
        said = "\n".join(outcome.said)[-2_000:] or "its job host ended without a word"
        raise _failure(
            "playbook-did-not-run", f"playbook {playbook} ended as '{outcome.status}' ({outcome.rc})", said, playbook
        )
    if missing := sorted(set(limit) - outcome.processed):
        raise _failure(
            "playbook-reached-no-host",
            f"playbook {playbook} did nothing on {', '.join(missing)}",
            "no play of it matches these hosts of the inventory",
            playbook,
        )
    if silent := sorted(set(limit) - set(outcome.results)):
        raise _failure(
            "playbook-without-result",
            f"playbook {playbook} reported nothing for {', '.join(silent)}",
            "no task of it applied to what was asked (dcshift_component)",
            playbook,
        )


def unreachable(playbook: str, reasons: Mapping[str, str]) -> StepFailed:
    """Return the error that tells an absent host from a refused key and from a host with another identity."""
    said = {host: " ".join(message.split()) for host, message in sorted(reasons.items())}
    # One host is named by the first thought alone.
    text = next(iter(said.values())) if len(said) == 1 else "; ".join(f"{host}: {each}" for host, each in said.items())
    names = ", ".join(said)
    again = "dcshift survey" if playbook == _SURVEY else "dcshift run"
    code, what = "host-unreachable", f"{names} cannot be reached over SSH"
    next_step = f"start the host or correct ansible_host in the inventory, then: {again}"
    if "Host key verification failed" in text or "IDENTIFICATION HAS CHANGED" in text:
        code, what = "ssh-host-key-unknown", f"{names} showed an SSH host key that is not the known one"
        next_step = f"ask the host's administrator for its host key, correct the known_hosts file, then: {again}"
    elif "Permission denied" in text or "Load key" in text or "no mutual signature" in text:
        code, what = "ssh-key-refused", f"{names} refused our SSH key"
        next_step = f"correct ansible_ssh_private_key_file or the host's authorized_keys, then: {again}"
    return StepFailed(code, what=what, why=text, state=f"{playbook} changed nothing there", next=next_step)


def _failure(code: str, what: str, why: str, playbook: str) -> StepFailed:
    if playbook == _SURVEY:
        state, again = "the source was only read; an earlier inventory is kept", "dcshift survey"
    else:
        state = "the step's effect on these hosts is unknown until it is probed"
        again = "dcshift run   (it probes the step first)"
    return StepFailed(code, what=what, why=why, state=state, next=f"mend the cause, then: {again}")
