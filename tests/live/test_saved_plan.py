"""A saved plan is closed with a key that its stack's settings name: without those, the right passphrase opens nothing.

That none of ours is saved: tests/infra/test_engine_traps.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.toolchain import tool_path
from tests.support.project import Project

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
SECRET = "of this test alone"
# A provider alone: it asks no cluster, and one of its settings is a secret, as a kubeconfig is.
PROGRAM = f"""
import pulumi
told = pulumi.Output.secret({SECRET!r})
pulumi.ProviderResource("kubernetes", "target", {{"kubeconfig": told, "clusterIdentifier": "one"}})
"""


def test_a_plan_whose_stack_lost_its_settings_is_not_opened_with_the_right_passphrase(tmp_path: Path) -> None:
    """As between two jobs of a pipeline that know the passphrase and hand over the plan, and no settings."""
    try:
        tool_path("pulumi")
    except LabError as missing:
        pytest.skip(missing.what)
    small = Project.make(tmp_path, tmp_path / "no-kubeconfig")
    (small.folder / "infra").unlink()
    (small.folder / "infra").mkdir()
    (small.folder / "infra" / "__main__.py").write_text(PROGRAM)
    plan, follow = small.folder / "plan.json", ("--skip-preview", "--yes", "--plan", "plan.json")
    small.run("stack", "init", "one")
    small.run("preview", "--save-plan", plan.name, stack="one")
    assert "ciphertext" in plan.read_text() and SECRET not in plan.read_text()
    (settings,) = small.folder.rglob("Pulumi.one.yaml")
    kept = settings.read_text()
    settings.unlink()
    refused = small.run("up", *follow, stack="one", check=False)
    assert refused.code != 0
    assert "cipher: message authentication failed" in refused.text
    # It made others, without a word: only whoever has the first ones can go on.
    assert settings.read_text() != kept
    assert made(small) == []
    settings.write_text(kept)
    small.run("up", *follow, stack="one")
    assert made(small) == ["target"]


def made(small: Project) -> list[str]:
    """Return the providers that the state knows."""
    (file,) = (small.folder / "state").rglob("one.json")
    urns = [each["urn"] for each in json.loads(file.read_text())["checkpoint"]["latest"].get("resources") or []]
    return [urn.rpartition("::")[2] for urn in urns if "pulumi:providers:" in urn]
