"""The checkers of monitoring: found where set-up put them, and asked for by name where it has not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import debian
from lab.errors import LabError
from lab.monitoring import checker


def test_a_checker_that_set_up_did_not_bring_is_asked_for_and_never_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DCSHIFT_CACHE", str(tmp_path))
    with pytest.raises(LabError) as told:
        checker("promtool")
    assert told.value.code == "tool-missing"
    assert told.value.next == "make setup"
    assert not list(tmp_path.rglob("*promtool*"))


def test_the_version_of_a_package_is_its_authors_own(tmp_path: Path) -> None:
    listing = tmp_path / "var/lib/dpkg/status"
    listing.parent.mkdir(parents=True)
    listing.write_text(
        "Package: prometheus-alertmanager\nStatus: install ok installed\nVersion: 0.28.1+ds-1\n\n"
        "Package: prometheus\nArchitecture: amd64\nVersion: 2.53.3+ds1-2+b3\n\n"
    )
    assert debian.version(tmp_path, "prometheus") == "2.53.3"
    assert debian.version(tmp_path, "prometheus-alertmanager") == "0.28.1"
