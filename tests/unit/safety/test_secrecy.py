"""A secret in a state is found wherever it lies, an encrypted one is none, and ours hold none at all."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest

from infra.errors import InfraError
from infra.safety.secrecy import leaks, refuse
from tests.support.declared import STACKS, built_once
from tests.support.states import exported

ENCRYPTED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "AAABANx7s9Qb3Kk="}
SHOWN = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"x"'}
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwb3J0YWwifQ.c2lnbmF0dXJlLW9mLWl0"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\n"


def state(inputs: dict[str, Any], outputs: dict[str, Any] | None = None) -> dict[str, Any]:
    urn = "urn:pulumi:portal::dcshift::kubernetes:core/v1:ConfigMap::it"
    return {"deployment": {"resources": [{"urn": urn, "inputs": inputs, "outputs": outputs or {}}]}}


def told(inputs: dict[str, Any]) -> list[str]:
    return [f"{each.path}: {each.why}" for each in leaks(state(inputs))]


def random_word(length: int, seed: int) -> str:
    dice = random.Random(seed)
    return "".join(dice.choice(string.ascii_letters + string.digits) for _ in range(length))


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        # The danger as it happened: a Secret that a program reads comes into its state in clear.
        ({"kind": "Secret", "data": {"password": "aHVudGVyMg=="}}, "inputs.data.password: a value of a Secret"),
        ({"kind": "Secret", "stringData": {"x": "y"}}, "inputs.stringData.x: a value of a Secret"),
        ({"spec": {"dbPassword": "hunter2"}}, "inputs.spec.dbPassword: it is called a secret"),
        ({"env": [{"name": "S3_SECRET_KEY", "value": "x"}]}, "inputs.env.0.value: S3_SECRET_KEY is called a secret"),
        ({"data": {"app.conf": f"key: {PEM}"}}, "inputs.data.app.conf: a private key"),
        ({"data": {"a": f"Bearer {JWT}"}}, "inputs.data.a: a signed token"),
        ({"data": {"url": "postgres://portal:hunter2@db/portal"}}, "inputs.data.url: a login in an address"),
        ({"data": {"note": f"use {random_word(32, 1)}"}}, "inputs.data.note: it looks random"),
        ({"data": {"password": SHOWN}}, "inputs.data.password: a secret that the engine was told to show"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_secret_in_clear_is_found_where_it_stands(inputs: dict[str, Any], expected: str) -> None:
    assert told(inputs) == [expected]


@pytest.mark.parametrize(
    "inputs",
    [
        {"kind": "Secret", "data": {"password": ENCRYPTED}},
        {"kind": "Secret", "data": ENCRYPTED},
        {"env": [{"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "portal-web", "key": "password"}}}]},
        {"managed": {"passwordSecret": {"name": "portal-db-migration"}}, "automountServiceAccountToken": False},
        {"image": f"registry.example/portal@sha256:{'0123456789abcdef' * 4}", "password": ""},
        {"uid": "6f1c0b1e-8f0a-4f6d-9a3e-0d2c6b7a8e9f", "manager": "pulumi-kubernetes-standin-0a1b2c3d"},
    ],
    ids=["encrypted", "all encrypted", "referred to", "named", "a digest", "an id"],
)
def test_what_is_no_secret_is_not_told(inputs: dict[str, Any]) -> None:
    assert told(inputs) == []


def test_planted_random_words_are_found_and_the_value_is_never_said() -> None:
    words = [random_word(32, seed) for seed in range(500)]
    found = {word: list(leaks(state({}, {"contract": {"note": word}}))) for word in words}
    # One in three hundred happens to have no digit, and looks like the name of a class.
    assert sum(1 for each in found.values() if each) > 490
    for word, each in found.items():
        assert [leak.path for leak in each] in ([], ["outputs.contract.note"])
        assert word not in f"{each} {each!r}"
    word = words[0]
    with pytest.raises(InfraError) as refused:
        refuse("portal", leaks(state({"x": word})))
    assert refused.value.code == "secret-in-state"
    assert word not in str(refused.value)
    assert "kubernetes:core/v1:ConfigMap::it inputs.x" in refused.value.why


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_that_our_stacks_declare_or_export_looks_like_a_secret(stack: str) -> None:
    export = exported(built_once(stack, {"migrate": "true"}))
    assert len(export["deployment"]["resources"]) > 5
    assert [str(each) for each in leaks(export)] == []
