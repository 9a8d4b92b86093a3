"""What is written for people agrees with the code: errors, commands, links, the README's size and words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from migration.cli import reference
from migration.model.words import Stage

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "playbooks").rglob("*.md")])


def test_every_error_that_the_code_can_raise_is_documented() -> None:
    codes = {said.code for said in reference.errors()}
    assert len(codes) > 100
    assert reference.ERRORS.read_text(encoding="utf-8") == reference.errors_page(), "make docs"


def test_every_command_is_documented() -> None:
    page = reference.VERBS.read_text(encoding="utf-8")
    assert page == reference.verbs_page(), "make docs"
    for verb in ("survey", "plan", "check", "run", "status", "verify", "rollback", "report", "doctor", "lab up"):
        assert f"## dcshift {verb}\n" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for goal in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / goal).exists(), f"{page.relative_to(ROOT)} links to {goal}"


def test_the_readme_is_short_and_shows_both_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert "make demo" in text
    assert "make test" in text
    assert "@@" not in text


@pytest.mark.parametrize("stage", [stage.value for stage in Stage])
def test_a_stage_has_one_name_in_all_places(stage: str) -> None:
    for place in (f"migration/stages/{stage}.py", f"playbooks/{stage}.yml", f"docs/runbook/{stage}.md"):
        assert (ROOT / place).is_file(), place
