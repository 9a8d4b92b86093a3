"""Which plugin is used, what is remembered of a refusal, and whose tools are used: with programs that stand in."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.paths import CHECKOUT
from lab.toolchain import tool_path
from lab.toolchain.tools import TOOLS

VERSION = importlib.metadata.version("pulumi-kubernetes")
ASK = """
import json, sys
from pathlib import Path
from lab.errors import LabError
sys.executable = sys.argv[1]  # whose folder holds the link; a checkout's own must not be touched
from lab.toolchain import doctor, plugin
try:
    said = getattr(plugin, sys.argv[2])()
except LabError as refused:
    said = refused.code
print(json.dumps({"said": said, "doctor": doctor._plugin().detail}))
"""
PULUMI = """#!{python}
import json, os, sys
home = os.environ["HOME_OF_FAKE"]
words = sys.argv[1:]
with open(home + "/asked", "a") as asked:
    asked.write(" ".join(words) + "\\n")
if words == ["version"]:
    print({says!r})
elif words[:2] == ["plugin", "ls"]:
    print(json.dumps([{{"name": "kubernetes", "version": "{version}"}}] if os.path.exists(home + "/installed") else []))
elif os.path.exists(home + "/reachable"):
    open(home + "/installed", "w")
else:
    sys.exit("downloading plugin\\nerror: no route to get.pulumi.example")
"""


class Machine:
    """A bin folder, a cache and a pulumi of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        (folder / "bin").mkdir()
        self.cache.mkdir()
        (program,) = [p for tool in TOOLS for p in tool.programs if p.name == "pulumi"]
        assert program.ask == ("version",)
        fake = folder / "bin" / "pulumi"
        fake.write_text(PULUMI.format(python=sys.executable, says=program.says, version=VERSION))
        fake.chmod(0o755)

    def ask(self, function: str) -> dict[str, str]:
        mine = {"HOME_OF_FAKE": str(self.folder), "DCSHIFT_CACHE": str(self.cache)}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            [sys.executable, "-c", ASK, self.folder / "bin" / "python", function],
            env={**os.environ, **mine, "PATH": path},
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            timeout=240,
            check=True,
        )
        answer: dict[str, str] = json.loads(done.stdout)
        return answer

    @property
    def installs_asked(self) -> int:
        return (self.folder / "asked").read_text().count("plugin install")

    @property
    def link(self) -> Path:
        return self.folder / "bin" / "pulumi-resource-kubernetes"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_any_plugin_the_command_that_mends_it_is_named(machine: Machine) -> None:
    assert machine.ask("plugin_in_use")["said"] == "no-kubernetes-plugin"


def test_the_official_plugin_is_installed_where_it_can_be_had(machine: Machine) -> None:
    (machine.folder / "reachable").touch()
    assert machine.ask("ensure_plugin") == {"said": "official", "doctor": "official"}
    assert not machine.link.exists()


def test_a_refusal_is_remembered_with_its_reason_and_the_way_to_ask_again(machine: Machine) -> None:
    answer = machine.ask("ensure_plugin")
    assert answer["said"] == "stand-in"
    assert machine.link.resolve().is_file()
    (kept,) = machine.cache.glob("official-plugin-*-refused")
    assert "error: no route to get.pulumi.example" in answer["doctor"]
    assert f"to ask again: rm -f {kept} {machine.link} && make setup" in answer["doctor"]
    assert machine.ask("ensure_plugin")["said"] == "stand-in"
    assert machine.installs_asked == 1


def test_the_command_that_doctor_names_asks_again(machine: Machine) -> None:
    command = machine.ask("ensure_plugin")["doctor"].partition("to ask again: ")[2].removesuffix(" && make setup")
    (machine.folder / "reachable").touch()
    subprocess.run(command.split(), check=True)
    assert machine.ask("ensure_plugin")["said"] == "official"
    assert machine.installs_asked == 2


def test_a_tool_of_the_right_version_on_path_is_used_and_one_of_another_is_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HOME_OF_FAKE", machine.folder), ("DCSHIFT_CACHE", machine.cache)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PATH", f"{machine.folder / 'bin'}:/usr/bin:/bin")
    fake = machine.folder / "bin" / "pulumi"
    assert tool_path("pulumi") == fake
    (program,) = [p for tool in TOOLS for p in tool.programs if p.name == "pulumi"]
    fake.write_text(fake.read_text().replace(program.says, "v0.0.1"))
    with pytest.raises(LabError) as told:
        tool_path("pulumi")
    assert told.value.code == "tool-missing"
