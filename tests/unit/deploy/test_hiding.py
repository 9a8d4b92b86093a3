"""Secrets of the environment in what engines say: hidden in errors, in progress and in results."""

from __future__ import annotations

import pytest

from infra import ending
from infra.errors import InfraError
from infra.hiding import HIDDEN, hidden

BACKEND = "postgres://pulumi:p%40ss-word@10.0.0.5:5432/states"
GIVEN = {
    "PULUMI_BACKEND_URL": BACKEND,
    "PULUMI_CONFIG_PASSPHRASE": "correct horse",
    "PULUMI_ACCESS_TOKEN": "pul-0123456789",
    "AWS_ACCESS_KEY_ID": "AKIA0123",
    "AWS_SECRET_ACCESS_KEY": "secret-of-aws",
    "DCSHIFT_S3_CREDENTIALS": "/etc/dcshift/s3.json",
    "SHORT_TOKEN": "up",
}


@pytest.mark.parametrize("secret", ["p%40ss-word", "p@ss-word", "correct horse", "pul-0123456789", "secret-of-aws"])
def test_a_secret_of_the_environment_is_hidden_wherever_it_stands(secret: str) -> None:
    assert hidden(f"no answer ({secret}) from pulumi", GIVEN) == f"no answer ({HIDDEN}) from pulumi"


def test_an_address_keeps_all_but_its_password() -> None:
    assert hidden(f"open {BACKEND}: refused", GIVEN) == f"open postgres://pulumi:{HIDDEN}@10.0.0.5:5432/states: refused"
    assert hidden("open s3://a:b@host/c", {}) == f"open s3://a:{HIDDEN}@host/c"


def test_what_is_no_secret_is_said() -> None:
    text = "up: AKIA0123 read /etc/dcshift/s3.json of portal@sha256:1 → https://a.example:8443/x"
    assert hidden(text, GIVEN) == text


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_that_a_command_says_shows_one(
    as_json: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)

    def work() -> int:
        ending.note(f"reading {BACKEND}")
        ending.say({"state": BACKEND}, f"state in {BACKEND}", as_json=as_json)
        raise InfraError("pulumi-failed", what="up failed", why=f"{BACKEND}: correct horse", state="-", next="-")

    assert ending.end(work, as_json=as_json) == ending.FAILED
    said = "".join(capsys.readouterr())
    assert said.count(HIDDEN) == 4
    assert "p%40ss-word" not in said
    assert "correct horse" not in said
