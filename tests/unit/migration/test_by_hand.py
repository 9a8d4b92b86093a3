"""Files that go to a volume are in no plan: it is refused, with what stays behind and the command that carries it."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from typing import Any

import pytest

from catalogue.load import Catalogue
from catalogue.system import Files, SourceFiles
from catalogue.target import TargetContract, TargetVolume
from migration import planner
from migration.errors import BlockedError
from migration.model.inventory import FilesFacts, Inventory
from migration.movers.folder_job import FolderJob
from tests.support.examples import catalogue, contracts, inventory

PLACE = "/opt/portal/its own 'templates'"


def with_volume(storage: str = "5Gi") -> Catalogue:
    """Return the example whose portal has a volume of files beside its bucket."""
    files = Files(name="templates", kind="volume", storage=storage, path="/opt/portal/templates")
    systems = []
    for system in catalogue().systems:
        if system.id == "portal":
            lying = {**system.source.files, "templates": SourceFiles(host="app1", path=PLACE)}
            source = system.source.model_copy(update={"files": lying})
            systems.append(system.model_copy(update={"files": [*system.files, files], "source": source}))
        else:
            systems.append(system)
    return dataclasses.replace(catalogue(), systems=tuple(systems))


def surveyed() -> Inventory:
    seen = inventory()
    facts = FilesFacts(host="app1", path=PLACE, files=1200, size_bytes=3_000_000_000, special_files=[])
    portal = seen.systems["portal"]
    portal = portal.model_copy(update={"files": {**portal.files, "templates": facts}})
    return seen.model_copy(update={"systems": {**seen.systems, "portal": portal}})


def applied() -> dict[str, TargetContract]:
    volume = TargetVolume(
        name="templates",
        namespace="httt-portal-app",
        claim="portal-files-templates",
        path="/opt/portal/templates",
        access="many-pods",
        storage="5Gi",
    )
    found = contracts()
    return {**found, "portal": found["portal"].model_copy(update={"volumes": [volume]})}


def refused(known: Catalogue, targets: dict[str, TargetContract], **more: Any) -> BlockedError:
    with pytest.raises(BlockedError) as caught:
        planner.plan(known, surveyed(), targets, **more)
    assert caught.value.code == "files-to-a-volume"
    assert caught.value.exit_code == 3
    return caught.value


def test_what_would_be_left_behind_is_told_with_where_it_lies_and_where_it_goes() -> None:
    told = refused(with_volume(), applied())
    assert told.what == "portal/templates would be left behind: no run carries files into a volume"
    assert told.why == (
        f"portal/templates: app1:{PLACE} (1,200 files, 3,000,000,000 bytes) goes to "
        "httt-portal-app/portal-files-templates, which pods open at /opt/portal/templates"
    )
    assert told.state == "no plan was made; nothing was changed"


def test_the_command_that_is_named_is_one_that_the_mover_takes() -> None:
    (line,) = [line for line in refused(with_volume(), applied()).next.splitlines() if "move files" in line]
    words = shlex.split(line[line.index("echo ") :])
    assert words[2:] == ["|", "dcshift", "move", "files", "--job", "-"]
    job = FolderJob.model_validate(json.loads(words[1]))
    assert (job.source, str(job.folder), job.reach) == (PLACE, "/mnt/portal-files-templates", ["ssh", "app1"])
    assert "where the volume of httt-portal-app/portal-files-templates is mounted at /mnt/portal-files-tem" in line


def test_systems_without_a_volume_are_planned_and_the_refusal_says_how() -> None:
    assert "dcshift plan --system feedback " in refused(with_volume(), applied()).next
    assert "dcshift plan" not in refused(with_volume(), applied(), systems=["portal"]).next
    assert planner.plan(with_volume(), surveyed(), applied(), systems=["feedback"]).systems() == ("feedback",)


def test_a_volume_that_is_too_small_and_one_that_is_not_there_yet_are_told() -> None:
    assert refused(with_volume("2Gi"), applied()).why.endswith("; that is more than its 2Gi hold")
    told = refused(with_volume(), contracts())
    assert "a claim that its contract does not name yet" in told.why
    assert re.search(r"python -m infra.up platform data portal ", told.next)
    assert "move files" not in told.next
