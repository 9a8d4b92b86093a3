"""Reading pages before and after a deployment: an error says which of both it was, and the command that goes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.apps.systems import SYSTEMS
from lab.ca import Authority
from lab.demo.pages import assert_same, read_pages
from lab.errors import LabError

NOBODY = "127.0.0.1:1"
PORTAL = next(system for system in SYSTEMS if system.name == "portal")
BACK = f"dcshift deploy portal --release {PORTAL.release}"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    own = Authority(tmp_path, "nobody's")
    own.ensure()
    return own.folder / "ca.pem"


def test_before_the_deployment_nothing_is_said_to_be_deployed(authority: Path) -> None:
    with pytest.raises(LabError, match="cannot be read") as told:
        read_pages(PORTAL, address=NOBODY, authority=authority)
    assert told.value.state == f"nothing was deployed; release {PORTAL.release} is what it was"
    assert "deploy" not in told.value.next


def test_after_it_the_command_that_goes_back_is_named(authority: Path) -> None:
    with pytest.raises(LabError) as told:
        read_pages(PORTAL, deployed=True, address=NOBODY, authority=authority)
    assert f"release {PORTAL.release_later} is deployed" in told.value.state
    assert told.value.next == BACK


def test_a_lab_without_its_authority_is_told_in_four_thoughts(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        read_pages(PORTAL, address=NOBODY, authority=tmp_path / "none.pem")


def test_another_text_after_the_deployment_names_the_page_and_the_way_back() -> None:
    with pytest.raises(LabError, match="/thu-tuc/ of portal") as told:
        assert_same(PORTAL, {"/": "a", "/thu-tuc/": "one"}, {"/": "a", "/thu-tuc/": "two"})
    assert told.value.next == BACK
