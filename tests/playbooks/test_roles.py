"""Every role and playbook has the house's shape: specs equal to defaults, syntax, small numbered playbooks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from migration.adapters.ansible import PLAYBOOKS

ROLES = sorted(path for path in (PLAYBOOKS / "roles").iterdir() if path.is_dir())
BOOKS = sorted(PLAYBOOKS.glob("*.yml"))
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_says_what_it_takes_and_nothing_else(role: Path) -> None:
    assert {path.name for path in role.iterdir()} >= {"README.md", "defaults", "meta", "tasks"}
    defaults = read(role / "defaults" / "main.yml") or {}
    specs = read(role / "meta" / "argument_specs.yml")["argument_specs"]
    entries = {path.stem for path in (role / "tasks").iterdir()}
    assert set(specs) <= entries
    for entry, spec in specs.items():
        options = spec["options"]
        assert {name: option["default"] for name, option in options.items()} == defaults, entry
        assert all(option["description"] and option["type"] for option in options.values()), entry
    assert all(name.startswith(f"{role.name}_") for name in defaults)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_a_playbook_is_small_numbered_and_stops_at_the_first_error(book: Path) -> None:
    assert len(book.read_text().splitlines()) <= 60
    assert "way back" in book.read_text().lower()
    plays = read(book)
    for number, play in enumerate(plays, start=1):
        assert re.match(rf"\({number}/{len(plays)}\) {book.stem.capitalize()}: ", play["name"])
        assert play["any_errors_fatal"] is True
    changing = book.stem not in ("survey", "replicate")
    assert ("role: turn" in book.read_text()) is changing


def test_every_task_that_handles_the_password_hides_it() -> None:
    for path in (PLAYBOOKS / "roles").rglob("tasks/*.yml"):
        for task in read(path) or []:
            if "postgres_source_password" in yaml.safe_dump(task):
                assert task.get("no_log") is True, f"{path}: {task['name']}"


def test_playbooks_parse_with_ansible_itself(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("all: {children: {source: {hosts: {db1: }}, mover: {hosts: {localhost: }}}}")
    words = [BIN / "ansible-playbook", "--syntax-check", "-i", inventory, *BOOKS]
    done = subprocess.run(words, check=False, env=ENVIRONMENT, cwd=PLAYBOOKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
