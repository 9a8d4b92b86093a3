"""What a playbook's events prove, and how its failures are told."""

from __future__ import annotations

import pytest

from migration.adapters.job_host import Redactor, unsafe_yaml
from migration.adapters.playbook_outcome import Outcome, judge, unreachable
from migration.errors import StepFailed


def outcome(*events: dict[str, object]) -> Outcome:
    taken = Outcome()
    for event in events:
        taken.take(event)
    return taken


STATS = {"event": "stats", "processed": {"db1": 1}}
RESULT = {"event": "result", "host": "db1", "data": {"dcshift_result": {"changed": True}}}
END = {"event": "end", "status": "successful", "rc": 0}


def test_only_a_processed_host_with_a_result_counts() -> None:
    judge("prepare", ["db1"], outcome(RESULT, STATS, END), 10)


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([RESULT, END], "playbook-reached-no-host"),
        ([STATS, END], "playbook-without-result"),
        ([RESULT, STATS], "playbook-did-not-run"),
        ([RESULT, STATS, {**END, "status": "canceled"}], "playbook-too-slow"),
        ([{"event": "failed", "host": "db1", "task": "T", "message": "M"}, RESULT, STATS, END], "playbook-failed"),
        ([{"event": "unreachable", "host": "db1", "message": "No route to host"}, STATS, END], "host-unreachable"),
    ],
)
def test_anything_less_is_a_failure_of_its_own(events: list[dict[str, object]], code: str) -> None:
    with pytest.raises(StepFailed) as failed:
        judge("prepare", ["db1"], outcome(*events), 10)
    assert failed.value.code == code
    assert "db1" in failed.value.what or code in ("playbook-did-not-run", "playbook-too-slow")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("operator@198.51.100.11: Permission denied (publickey).", "ssh-key-refused"),
        ("Host key verification failed.", "ssh-host-key-unknown"),
        ("connect to host 198.51.100.11 port 22: No route to host", "host-unreachable"),
    ],
)
def test_a_refused_key_a_strange_host_and_an_absent_one_are_told_apart(said: str, code: str) -> None:
    error = unreachable("survey", {"db1": f"Failed to connect to the host via ssh: {said}"})
    assert (error.code, said in error.why) == (code, True)


def test_secrets_are_replaced_wherever_they_stand() -> None:
    redact = Redactor({"a": "long-secret", "b": "long-secret-and-longer"})
    assert redact({"k": ["x long-secret-and-longer y", {"long-secret": 1}]}) == {"k": ["x ******** y", {"********": 1}]}


def test_strings_never_become_templates_or_other_types() -> None:
    text = unsafe_yaml({"a": ["{{ x }}", 'é"\n', True, 1.5, None], "b": {"c": "yes"}})
    assert text == '{"a": [!unsafe "{{ x }}", !unsafe "\\u00e9\\"\\n", true, 1.5, null], "b": {"c": !unsafe "yes"}}'
