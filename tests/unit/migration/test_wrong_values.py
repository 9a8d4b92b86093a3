"""Wrong values at every option of every verb: an error in four thoughts with its exit status, never a traceback.

One table has a row for each option and argument that the command line takes; a test fails when one is missing. Verbs of
`infra` make way for another program, so they are typed in a process of their own.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from migration.cli.main import app, command
from tests.support.declared import CATALOGUE
from tests.support.workspace import Terminal

LONG = "x" * 5_000
NAMES = ["", "-x", "nope", "Đơn", "\udcff", "../../etc/passwd", LONG]
NUMBERS = ["", "x", "1.5", "nan", "9" * 40]

TABLE: dict[str, dict[str, list[str]]] = {
    "survey": {},
    "plan": {"--wave": [*NUMBERS, "-1", "0"], "--system": NAMES, "--engine": [*NAMES, "Logical"]},
    "check": {"--system": NAMES, "--plan": NAMES},
    "run": {
        "--until": NAMES,
        "--wave": [*NUMBERS, "-1", "0"],
        "--system": NAMES,
        "--undo": NAMES,
        "--plan": NAMES,
    },
    "rollback": {"SYSTEMS": NAMES, "--plan": NAMES},
    "pause": {"SYSTEMS": NAMES, "--plan": NAMES},
    "throttle": {
        "SYSTEMS": NAMES,
        "--to": [*NUMBERS[:-1], "0", "-1", "5m", "5 MB/h", "1e9", "١٢", LONG],
        "--source-load": ["", "x", "nan", "0", "-1", "4M", "inf", "1e3", "9" * 7, "٤", LONG],
        "--replica-lag": [*NUMBERS[:-1], "0", "-1", "1k", "5 MB/s", LONG],
        "--stop-at-load": ["", "0", "inf", LONG],
        "--stop-at-log": ["", "0", "1k", "9999999G", LONG],
        "--plan": NAMES,
    },
    "status": {"--plan": NAMES},
    "verify": {"SYSTEMS": NAMES, "--plan": NAMES},
    "repair": {"SYSTEM": NAMES, "--plan": NAMES},
    "report": {
        "--out": ["FILE", "FILE/below", "/proc/nope", "/dev/full", LONG],
        "--traffic": ["NOTHING", "FOLDER", "EMPTY", "BINARY", "/proc/self/mem", "/dev/zero", LONG, "\udcff"],
        "--plan": NAMES,
    },
    "render": {"--stack": ["-x"], "--output": ["FILE"], "--settings": ["NOTHING", "FILE"]},
    "drift": {"STACK": ["-x"], "--settings": ["NOTHING", "FILE"]},
    "network": {"SOURCE": ["-x"], "TARGET": ["portal/web:0"], "--settings": ["NOTHING", "FILE"]},
    "identity": {"NAME": ["-x", "\udcff"], "--output": ["FILE/below"], "--minutes": ["x", "9" * 40]},
    "deploy": {
        "SYSTEM": ["-x", "\udcff"],
        "--release": [""],
        "--image": ["latest"],
        "--policy-pack": ["NOTHING", "FOLDER"],
        "--ca": ["NOTHING", "FOLDER", "EMPTY", "BINARY"],
    },
    "drill": {"SYSTEM": NAMES, "--seconds-max": [*NUMBERS, "-1", "0"]},
    "doctor": {},
    "env": {},
    "demo": {"--scale": NAMES},
    "catalogue check": {},
    "catalogue norms-diff": {"SOURCE": NAMES, "TARGET": NAMES},
    "lab up": {"--scale": NAMES, "--wal-level": NAMES},
    "lab down": {},
    "lab status": {},
    "lab traffic": {
        "--rate": ["nan", "0", "1e300"],
        "--duration": ["inf", "-1"],
        "--folder": ["FILE"],
    },
    "lab open": {"SYSTEM": NAMES},
    "move postgres": {"--job": ["NOTHING", "BINARY"]},
    "move files": {"--job": ["EMPTY", "BINARY"], "--do": ["all"]},
    "move objects": {"--job": ["NOTHING", "EMPTY", "BINARY"]},
    "move prove": {"--job": ["NOTHING", "BINARY"]},
    "move seed": {"--job": ["NOTHING", "BINARY"]},
    "move mariadb": {"--job": ["NOTHING", "EMPTY", "BINARY"]},
}
"""What each option refuses, by verb; words in capitals are places that a test makes."""
OWN_WORDS = {"move files": {"--job", "--do"}}
"""Movers read their own words; the verbs know none of them."""

IN_PROCESS = (
    "plan",
    "check",
    "run",
    "rollback",
    "pause",
    "throttle",
    "status",
    "verify",
    "repair",
    "report",
    "catalogue norms-diff",
    "lab open",
)
PARSED_ALONE = ("demo", "lab up")
"""Their work begins by taking down what runs, so that a wrong word must be refused before it."""
RIGHT: dict[str, tuple[dict[str, str], list[str]]] = {
    "identity": ({"NAME": "deploy-portal"}, []),
    "deploy": ({"SYSTEM": "portal"}, ["--release=1"]),
    "network": ({"SOURCE": "internet", "TARGET": "portal/web:80"}, []),
    "catalogue norms-diff": ({"SOURCE": "vn-2016", "TARGET": "vn-2026"}, []),
}
"""What makes the rest of a command right: its arguments in order, and options."""


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for word, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from commands(child, f"{word} ")
        else:
            yield f"{name}{word}", child


VERBS = dict(commands(typer.main.get_command(app)))


def rows(*verbs: str) -> list[Any]:
    found = [(verb, option, value) for verb in verbs for option, values in TABLE[verb].items() for value in values]
    return [pytest.param(*row, id=f"{row[0]} {row[1]} {row[2][:20]!r}") for row in found]


def test_the_table_has_every_option_of_every_verb() -> None:
    taken = {}
    for verb, made in VERBS.items():
        shown = {
            next(each for each in p.opts if each.startswith("--")) if p.param_type_name == "option" else p.name.upper()
            for p in made.params
            if not getattr(p, "is_flag", False) and p.name != "context"
        }
        taken[verb] = shown | OWN_WORDS.get(verb, {"--job"} if verb.startswith("move ") else set())
    assert taken == {verb: set(options) for verb, options in TABLE.items()}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    made = {name: tmp_path / name.lower() for name in ("NOTHING", "FOLDER", "FILE", "EMPTY", "BINARY")}
    made["FOLDER"].mkdir()
    made["FILE"].write_text("a file\n")
    made["EMPTY"].touch()
    made["BINARY"].write_bytes(bytes(range(256)))
    return {name: str(path) for name, path in made.items()}


def typed(verb: str, option: str, value: str, places: dict[str, str]) -> list[str]:
    """Return the words of a command that is right but for this one value."""
    place, slash, rest = value.partition("/")
    value = f"{places[place]}{slash}{rest}" if place in places else value
    named, options = RIGHT.get(verb, ({}, []))
    positional = [value if name == option else right for name, right in named.items()]
    if not option.startswith("--") and option not in named:
        positional.append(value)
    wrong = [f"{option}={value}"] if option.startswith("--") else []
    return [
        *verb.split(),
        *(options if option not in ("--release", "--image") else []),
        *wrong,
        *(["--"] if positional else []),
        *positional,
    ]


def assert_well_said(status: int, out: str, err: str, *, as_json: bool) -> None:
    said = out + err
    assert "Traceback" not in said
    assert status in (1, 2, 3), said
    if not as_json:
        assert "error[" in err, said
        assert all(f"\n  {thought}" in err for thought in ("why:", "state:", "next:")), said
        return
    told = json.loads([line for line in said.splitlines() if line.startswith('{"error"')][-1])
    assert all(told["error"][thought] for thought in ("code", "what", "why", "state", "next"))


@pytest.fixture(scope="module")
def terminal() -> Terminal:
    made = Terminal()
    made.type("survey")
    made.type("plan")
    return made


@pytest.mark.parametrize(("verb", "option", "value"), rows(*IN_PROCESS))
def test_a_wrong_value_is_told(terminal: Terminal, places: dict[str, str], verb: str, option: str, value: str) -> None:
    words, statuses = typed(verb, option, value, places), []
    for as_json in (False, True):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            statuses.append(command([*["--json"][: int(as_json)], *words], lambda: terminal.workspace))
        assert_well_said(statuses[-1], out.getvalue(), err.getvalue(), as_json=as_json)
    assert statuses[0] == statuses[1]
    assert terminal.world.calls == []


@pytest.mark.parametrize(("verb", "option", "value"), rows(*PARSED_ALONE))
def test_a_wrong_value_is_refused_before_anything_is_done(verb: str, option: str, value: str) -> None:
    with pytest.raises(typer.BadParameter):
        VERBS[verb].make_context(verb, [f"{option}={value}"])


def run(words: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "dcshift", *words],
        env={**os.environ, "DCSHIFT_CATALOGUE": str(CATALOGUE), **variables},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


OTHERS = [verb for verb in TABLE if verb not in (*IN_PROCESS, *PARSED_ALONE)]


@pytest.mark.parametrize(("verb", "option", "value"), rows(*OTHERS))
def test_a_wrong_value_is_told_by_the_program_that_takes_over(
    tmp_path: Path, places: dict[str, str], verb: str, option: str, value: str
) -> None:
    words = typed(verb, option, value, places)
    state = {"DCSHIFT_STATE": str(tmp_path / "state"), "KUBECONFIG": places["NOTHING"]}
    said = run(["--json", *words], **state)
    assert_well_said(said.returncode, said.stdout, said.stderr, as_json=True)
