"""Programs that lie: each stands before a true one, does nothing, says nothing, and calls that a success."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EVERYTHING = "*"
"""What a liar looks for among its words, as a pattern of a shell's `case`; everything else it hands on."""


def script(folder: Path, name: str, text: str) -> Path:
    """Write a program in shell."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program


def lying(folder: Path, name: str, true: str | Path, words: str = EVERYTHING) -> Path:
    """Make a liar that leaves a line in `lies` each time, and return it."""
    # It swallows what it is sent, as the true one would: a broken pipe would give it away.
    lie = f'echo "$*" >> {folder}/lies; [ -p /dev/stdin ] && cat > /dev/null; exit 0'
    return script(folder, name, f'case "$*" in {words}) {lie};; esac\nexec {true} "$@"')


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this folder's programs come before the machine's own."""
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin:/usr/sbin:/sbin")


def plant(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str = EVERYTHING) -> None:
    """Put a liar before one of the machine's programs, for this process and whatever it starts."""
    true = shutil.which(name)
    assert true is not None, f"{name} is not here"
    lying(folder, name, true, words)
    on_path(folder, monkeypatch)


def assert_lied(folder: Path) -> None:
    """Fail if nobody asked a liar: the test then proves nothing."""
    lies = folder / "lies"
    assert lies.exists() and lies.read_text(), "nobody lied: the test proves nothing"
