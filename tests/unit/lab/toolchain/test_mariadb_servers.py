"""The older MariaDB of the tests comes whole or not at all; apt is played by a program that stands in for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab import rootfs
from lab.errors import LabError
from lab.toolchain import mariadb_servers

APT = """#!/bin/sh
echo "$@" >> {folder}/asked
case "$*" in *" download "*)
    for name in "$@"; do case $name in -*|download) ;; *) {brings} cp {folder}/package.deb "$name.deb";; esac; done;;
esac
exit 0
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    content = tmp_path / "content"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN/control").write_text(
        "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m\nDescription: d\n"
    )
    (content / "DEBIAN/preinst").write_text(f"#!/bin/sh\ntouch {tmp_path}/script-was-run\n")
    (content / "DEBIAN/preinst").chmod(0o755)
    (content / "usr/sbin").mkdir(parents=True)
    (content / "usr/sbin/mariadbd").touch()
    subprocess.run(["dpkg-deb", "--build", content, tmp_path / "package.deb"], check=True, capture_output=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("DCSHIFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(rootfs, "sources", lambda suite: [f"deb http://mirror {suite} main"])
    plays(tmp_path, brings="")
    return tmp_path


def plays(folder: Path, *, brings: str) -> None:
    program = folder / "bin/apt-get"
    program.write_text(APT.format(folder=folder, brings=brings))
    program.chmod(0o755)


def test_it_is_unpacked_once_and_no_script_of_a_package_is_run(apt: Path) -> None:
    assert not mariadb_servers.installed()
    for _ in range(2):
        place = mariadb_servers.install(lambda _: None)
    assert mariadb_servers.installed()
    assert [path.name for path in place.iterdir()] == ["usr"]
    assert (place / "usr/sbin/mariadbd").is_file()
    assert not (apt / "script-was-run").exists()
    assert len((apt / "asked").read_text().splitlines()) == 2


def test_packages_that_did_not_come_leave_nothing(apt: Path) -> None:
    plays(apt, brings="test -z x &&")
    with pytest.raises(LabError) as told:
        mariadb_servers.install(lambda _: None)
    assert told.value.code == "packages-missing"
    assert not mariadb_servers.installed()
