"""The tutorial is typed as it stands, in a copy of what it works on, and answers what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
MARK = "=== typed"


@dataclass
class Typed:
    """One command with where it stands, what the shell is given after it, and what the page says it answers."""

    line: int
    command: str
    answer: list[str] = field(default_factory=list)


def commands(page: str) -> list[Typed]:
    """Return everything behind `$`, in order; a here-document belongs to its command."""
    found: list[Typed] = []
    until: str | None = None
    shown = False
    for number, line in enumerate(page.splitlines(), 1):
        if not line.startswith("    "):
            assert until is None, f"line {number}: the here-document is not ended"
            shown = False
            continue
        text = line[4:]
        if until is not None:
            found[-1].command += f"\n{text}"
            until = None if text == until else until
        elif text.startswith("$ "):
            found.append(Typed(number, text[2:]))
            here = re.search(r"<<'(\w+)'$", text)
            until, shown = (here[1] if here else None), True
        elif not text.startswith("(cluster) $ "):
            assert shown, f"line {number} answers no command"
            found[-1].answer.append(text)
    return found


def faults(typed: Typed, said: list[str]) -> Iterator[str]:
    pattern = "".join(
        r"(?:[^\n]*\n)*" if line == "…" else ".*".join(re.escape(part) for part in line.split("…")) + "\n"
        for line in typed.answer
    )
    if not re.fullmatch(pattern, "".join(f"{line}\n" for line in said)):
        yield "\n".join([f"docs/tutorial.md:{typed.line}: {typed.command.splitlines()[0]}", "answered:", *said])


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page works on, so that nothing of this checkout is touched."""
    folder = tmp_path_factory.mktemp("tutorial")
    subprocess.run(["cp", "-r", ROOT / "catalogue", folder / "catalogue"], check=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.fixture(scope="module")
def session(workplace: Path) -> list[tuple[Typed, list[str]]]:
    """Type all of it into one shell; a command whose end is not marked answers nothing."""
    typed = commands(PAGE.read_text(encoding="utf-8"))
    script = "\n".join(f"echo {shlex.quote(MARK)}\n{each.command}" for each in typed)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DCSHIFT_", "PULUMI_"))}
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}\n"],
        stdin=subprocess.DEVNULL,
        cwd=workplace,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout.split(f"{MARK}\n")[1:]
    assert len(said) == len(typed), done.stdout
    return [(each, text.splitlines()) for each, text in zip(typed, said, strict=True)]


def test_every_command_answers_what_the_page_says(session: list[tuple[Typed, list[str]]]) -> None:
    assert len(session) > 12
    assert [fault for typed, said in session for fault in faults(typed, said)] == []


def test_the_page_leaves_nothing_behind(session: list[tuple[Typed, list[str]]], workplace: Path) -> None:
    assert session
    assert list((workplace / "build").iterdir()) == []


def test_only_what_needs_a_cluster_is_left_out() -> None:
    """A command of ours outside the shell's two marks would be shown and never typed."""
    left_out = re.findall(r"^    \(cluster\) \$ (\S+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(left_out) == {"eval", "pulumi", "python"}


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        (["first", "x", "y", "last one of 3"], True),
        (["first", "last one of 3"], True),
        (["last one of 3"], False),
        (["first", "last two of 3"], False),
        (["first", "last one of 3", "more"], False),
    ],
)
def test_an_answer_is_compared_line_by_line(said: list[str], fits: bool) -> None:
    typed = Typed(1, "x", ["first", "…", "last one of …"])
    assert (not list(faults(typed, said))) is fits
