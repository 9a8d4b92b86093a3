"""What a stack's state remembers of its updates, and which of them a deployment comes from and goes back to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.deploy.history import is_shared, last_applied
from infra.errors import ConfigError, InfraError


def update(result: str, release: str, kind: str = "update", **more: Any) -> dict[str, Any]:
    config = {"dcshift:release": {"value": release, "secret": False}, "pulumi:x": {"value": "y", "secret": False}}
    return {"kind": kind, "result": result, "endTime": f"of {release}", "config": {**config, **more}}


def test_the_newest_update_that_succeeded_counts_and_nothing_else() -> None:
    updates = [
        update("failed", "4"),
        update("in-progress", "5"),
        update("succeeded", "3", kind="refresh"),
        update("succeeded", "2"),
        update("succeeded", "1"),
    ]
    found = last_applied("portal", updates)
    assert (found.settings, found.when) == ({"release": "2"}, "of 2")
    assert found.config == {"dcshift:release": "2", "pulumi:x": "y"}


def test_a_value_of_several_parts_is_kept_as_such() -> None:
    parts = {"value": '["kubernetes"]', "objectValue": ["kubernetes"], "secret": False}
    found = last_applied("portal", [update("succeeded", "1", **{"pulumi:disable-default-providers": parts})])
    assert found.config["pulumi:disable-default-providers"] == ["kubernetes"]


@pytest.mark.parametrize("updates", [[], [update("failed", "1")], [update("succeeded", "1", kind="destroy")]])
def test_where_none_succeeded_nothing_is_guessed(updates: list[dict[str, Any]]) -> None:
    with pytest.raises(InfraError) as unknown:
        last_applied("portal", updates)
    assert unknown.value.code == "release-before-unknown"


def test_an_encrypted_setting_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match="dcshift:webhook of stack portal is encrypted"):
        last_applied("portal", [update("succeeded", "1", **{"dcshift:webhook": {"secret": True}})])


@pytest.mark.parametrize(
    ("backend", "shared"),
    [
        ("", False),
        ("file://OWN", False),
        ("file://OWN/", False),
        ("file://OWN/../pulumi?metadata=skip", False),
        ("file://OWN/below", True),
        ("file://~", True),
        ("s3://states?endpoint=http://10.0.0.6:8333", True),
        ("postgres://u:p@10.0.0.5/states", True),
        ("https://pulumi.example.vn", True),
    ],
)
def test_a_state_elsewhere_than_in_this_checkout_is_shared(tmp_path: Path, backend: str, shared: bool) -> None:
    own = tmp_path / "pulumi"
    assert is_shared(backend.replace("OWN", str(own)), own) is shared
