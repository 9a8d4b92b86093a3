"""What a stack may be told, and the sentence for what it may not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.errors import ConfigError, InfraError
from tests.support.declared import CATALOGUE, built_once

DIGEST = f"sha256:{'b' * 64}"


@pytest.mark.parametrize(
    ("stack", "config", "said"),
    [
        ("portal", {"serves": "both"}, "it must be one of source, target"),
        ("portal", {"layer": "network"}, "it must be one of platform, ground, data, security, system"),
        ("ground.portal", {"layer": "platform"}, r"a stack called ground\.portal is of layer ground"),
        ("ground.portal", {"system": "feedback"}, r"a stack called ground\.portal is of system portal"),
        ("platform", {"layer": "data"}, "a stack called platform is of layer platform"),
        ("security", {"auditLog": "/var"}, "an absolute path of two names or more"),
        ("security", {"podLogs": "/var/../etc"}, "an absolute path of two names or more"),
        ("platform", {"agentState": "/var/log/kubernetes"}, "none may be or hold another"),
        ("security", {"agentState": "/var/log/pods"}, "none may be or hold another"),
        ("security", {"rsyslogImage": "latest"}, "dcshift:rsyslogImage is 'latest'"),
        ("harbour", {}, "it has feedback, portal"),
        ("portal", {"image": "8.0.1@sha256:abc"}, "a release and its digest"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence(stack: str, config: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        built_once(stack, config)


@pytest.mark.parametrize(
    "config",
    [
        {"release": "8.1.0", "image": f"8.0.1@{DIGEST}"},
        {"image": f"7.9.0@{DIGEST}"},
        {"release": "8.0.1", "image": DIGEST},
    ],
    ids=["the-release-was-set-alone", "the-catalogue-went-on", "no-release-is-named"],
)
def test_a_digest_of_another_release_is_refused(config: dict[str, str]) -> None:
    with pytest.raises(InfraError) as refused:
        built_once("portal", config)
    assert refused.value.code == "image-of-another-release"
    assert "dcshift deploy" in refused.value.next


def test_a_digest_with_its_release_is_what_runs() -> None:
    contract = built_once("portal", {"release": "8.1.0", "image": f"8.1.0@{DIGEST}"}).outputs["contract"]
    assert contract["web"]["image"].endswith(f"portal@{DIGEST}")
    assert contract["web"]["release"] == "8.1.0"


def test_a_stack_of_another_name_builds_the_system_that_it_is_told() -> None:
    assert built_once("portal-second", {"system": "portal"}).outputs["contract"]["system"] == "portal"


def province(tmp_path: Path, old: str, new: str) -> Path:
    folder = tmp_path / "province"
    shutil.copytree(CATALOGUE, folder)
    file = folder / "province.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return folder


def test_systems_that_do_not_fit_the_site_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCSHIFT_CATALOGUE", str(province(tmp_path, "storage: 100Gi", "storage: 14Gi")))
    with pytest.raises(ConfigError, match="15360Mi of storage"):
        built_once("data")


def test_a_host_name_where_a_policy_needs_an_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DCSHIFT_CATALOGUE", str(province(tmp_path, "http://192.0.2.10:8333", "https://s3.example")))
    with pytest.raises(ConfigError, match=r"target\.object_store"):
        built_once("platform")
