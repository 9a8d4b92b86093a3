"""What is written for people agrees with the code: errors, commands, links, the README's size and words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from migration.cli import reference
from migration.cli.main import app
from migration.model.words import Stage

COMMANDS = typer.main.get_command(app)
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


def command_lines() -> Iterator[tuple[str, str]]:
    """Yield every command of ours that a page or a pipeline shows as something to type, with its place."""
    for page in [*PAGES, *sorted((ROOT / "docs" / "pipelines").glob("*.yml"))]:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            shown = re.findall(r"`([^`]+)`", line)
            if page.suffix == ".yml":
                shown = re.findall(r"(?:run:|-) (dcshift [^|]*)", line)
            elif line.startswith("    "):
                # A comment, and what stands behind two blanks, is said to people.
                shown += re.split(r"\s{2,}|\s[#·]|&&|[;|()]", line.strip())
            for text in shown:
                if found := re.search(r"(?:^|\s)((?:dcshift|make) [a-z].*)", text):
                    yield f"{page.relative_to(ROOT)}:{number}", found[1].strip()


def fault(words: list[str]) -> str | None:
    """Return why the real command line would not take these words; None if it would."""
    command: Any = COMMANDS
    words = [word for word in words if word not in ("--json", "--help")]
    while children := getattr(command, "commands", None):
        if not words:
            return None
        if words[0] not in children:
            return f"there is no {words[0]!r}"
        command, words = children[words[0]], words[1:]
    if not words:
        return None  # named, not typed
    try:
        command.make_context("dcshift", words)
    except Exception as refused:  # typer brings a click of its own, whose errors have no common public name
        return getattr(refused, "message", None) or str(refused)
    return None


def test_every_command_that_is_shown_can_be_typed() -> None:
    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shown, wrong = 0, []
    for place, text in command_lines():
        words = shlex.split(text.replace("…", "X"), comments=True)
        shown += 1
        if words[0] == "make":
            why = None if words[1] in goals else f"the Makefile has no {words[1]}"
        else:
            why = fault(words[1:])
        if why:
            wrong.append(f"{place}: {text}: {why}")
    assert shown > 80
    assert wrong == []


def test_every_option_that_an_error_names_exists() -> None:
    wrong = []
    for text in re.findall(r"\bdcshift ([a-z][^;,(→]*)", reference.ERRORS.read_text(encoding="utf-8")):
        words, command = text.split(), COMMANDS
        while words and words[0] in getattr(command, "commands", {}):
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--json", "--help"}
        wrong += [f"{text}: {word}" for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    assert wrong == []
