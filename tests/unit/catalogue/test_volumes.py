"""Sets of files on volumes: what can be given is read, and what nobody could give is refused on its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from catalogue import volumes
from catalogue.load import CatalogueError, load
from catalogue.system import System
from tests.unit.catalogue import everything

Document = dict[str, Any]
PLACE = "/opt/portal/templates"


def portal(*sets: Document, replicas: int = 1, level: int = 3) -> Document:
    """Return the portal with these sets of files, all of which lie at the same place of the source."""
    content = everything.system()
    content["files"] = list(sets)
    content["source"]["files"] = {each["name"]: {"host": "app1", "path": PLACE} for each in sets}
    content["web"]["replicas"], content["level"], content["quota"] = replicas, level, None
    return content


def province(shared: str | None = None, environment: str = "lab") -> Document:
    content = everything.province()
    content["target"]["shared_storage_class"] = shared
    content["environment"] = environment
    return content


def volume(name: str = "templates", **more: Any) -> Document:
    return {"name": name, "kind": "volume", "storage": "5Gi", **more}


def refused(folder: Path, portal_file: Document, province_file: Document) -> list[tuple[str, str]]:
    """Return the text of the line and the sentence of every fault."""
    everything.write(folder, portal_file=portal_file, province_file=province_file)
    try:
        load(folder)
    except CatalogueError as error:
        lines = {file: Path(file).read_text(encoding="utf-8").splitlines() for file in {f.file for f in error.faults}}
        return [(lines[each.file][each.line - 1].strip(), each.sentence) for each in error.faults]
    return []


def test_a_volume_for_many_pods_needs_a_class_that_gives_it(tmp_path: Path) -> None:
    ((line, sentence),) = refused(tmp_path, portal(volume()), province())
    assert line == "kind: volume"
    assert "province.yaml names no target.shared_storage_class" in sentence
    assert refused(tmp_path, portal(volume(), replicas=3), province("cephfs-retain")) == []


@pytest.mark.parametrize(
    ("replicas", "level", "environment", "why"),
    [(2, 3, "lab", "2 web pods would (web.replicas)"), (1, 3, "prod", "2 web pods would (what level 3 asks for)")],
)
def test_a_volume_for_one_pod_is_refused_where_there_will_be_more(
    replicas: int, level: int, environment: str, why: str, tmp_path: Path
) -> None:
    given = portal(volume(access="one-pod"), replicas=replicas, level=level)
    ((line, sentence),) = refused(tmp_path, given, province("cephfs-retain", environment))
    assert line == "access: one-pod"
    assert why in sentence


@pytest.mark.parametrize(("level", "environment"), [(3, "lab"), (1, "prod")])
def test_a_volume_for_one_pod_needs_no_other_class(level: int, environment: str, tmp_path: Path) -> None:
    given = portal(volume(access="one-pod"), level=level)
    given["data"], given["objectives"]["rpo"] = {"classes": ["public"]}, None
    assert refused(tmp_path, given, province(None, environment)) == []


@pytest.mark.parametrize(
    "path",
    ["/", "/tmp", "/tmp/cache", "/proc/1", "/sys", "/etc", "/usr", "/opt", "/opt/portal", "/opt/portal/bin",
     "/opt/portal/venv/lib", "/srv//portal", "/srv/../etc", "/srv/a:b", "//srv"],
)  # fmt: skip
def test_a_place_that_pods_need_or_cannot_be_told_of_is_refused(path: str, tmp_path: Path) -> None:
    ((line, sentence),) = refused(tmp_path, portal(volume(path=path)), province("cephfs-retain"))
    assert line.startswith("path:")
    assert sentence.startswith("files 'templates': ")


@pytest.mark.parametrize(
    "path", ["/opt/portal/templates", "/usr/share/portal", "/srv", "/opt/portal/binaries", "/srv/"]
)
def test_other_places_are_taken(path: str, tmp_path: Path) -> None:
    assert refused(tmp_path, portal(volume(path=path)), province("cephfs-retain")) == []


def test_two_volumes_are_not_in_each_others_way(tmp_path: Path) -> None:
    inner = volume("themes", path="/srv/portal/themes")
    for outer in ("/srv/portal", "/srv/portal/themes", "/srv/portal/themes/new"):
        faults = refused(tmp_path, portal(volume(path=outer), inner), province("cephfs-retain"))
        assert [sentence for _, sentence in faults] == [
            f"files 'themes' would lie at /srv/portal/themes, in the way of 'templates' at {outer}"
        ]
    assert refused(tmp_path, portal(volume(path="/srv/portal/them"), inner), province("cephfs-retain")) == []


def test_a_bucket_is_no_folder(tmp_path: Path) -> None:
    bucket = {"name": "uploads", "kind": "bucket", "path": "/srv/portal", "access": "many-pods"}
    assert [line for line, _ in refused(tmp_path, portal(bucket), province())] == [
        "path: /srv/portal", "access: many-pods",
    ]  # fmt: skip


def test_a_volume_lies_where_the_files_lie_at_the_source_unless_its_file_says_more() -> None:
    system = System.model_validate(portal(volume(), volume("themes", path="/srv/themes/")))
    assert [volumes.path(system, each) for each in system.files] == [PLACE, "/srv/themes"]
