"""`dcshift identity` as a person types it, without a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import run


def test_everyone_is_listed_with_the_group_that_is_it() -> None:
    said = run("identity", "--json")
    assert said.returncode == 0, said.stderr
    found = {each["name"]: each["group"] for each in json.loads(said.stdout)["identities"]}
    assert found["deploy-portal"] == "portal-deployers"
    assert found["auditor"] == "dcshift-auditors"
    assert found["break-glass"] == "dcshift-break-glass"
    assert "deploy-portal    portal-deployers" in run("identity").stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["deploy-harbour"], "identity-unknown"),
        (["deploy-portal", "--minutes", "9"], "token-lifetime-refused"),
        (["deploy-portal", "--minutes", "721"], "token-lifetime-refused"),
        # Longer than an accident lasts, nobody is the one who may delete data.
        (["break-glass", "--minutes", "61"], "token-lifetime-refused"),
    ],
)
def test_what_cannot_be_lent_is_refused_before_anything_is_asked(words: list[str], code: str) -> None:
    refused = run("identity", *words)
    assert refused.returncode == 2
    assert f"error[{code}]" in refused.stderr


def test_a_cluster_that_is_not_known_or_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    unknown = run("identity", "data", "--output", str(tmp_path / "file"))
    assert (unknown.returncode, "error[cluster-unknown]" in unknown.stderr) == (1, True)
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    (tmp_path / "closed").write_text(
        json.dumps({"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}],
                    "current-context": "c"})
    )  # fmt: skip
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "closed"))
    silent = run("identity", "data", "--output", str(tmp_path / "file"))
    assert (silent.returncode, "error[identity-unanswered]" in silent.stderr) == (1, True)
    assert not (tmp_path / "file").exists()
