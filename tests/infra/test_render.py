"""Rendering writes every object once, the same at every run, without a secret; and never another's file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.errors import ConfigError, InfraError
from infra.render.manifests import LIST, manifests, write
from infra.render.stack_files import settings_of
from tests.support.commands import run
from tests.support.declared import CATALOGUE, STACKS, Built, build
from tests.support.project import ROOT

Stacks = Callable[[str], Built]


def values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from values(item)
    else:
        yield value


@pytest.mark.parametrize("name", STACKS)
def test_every_object_of_a_stack_becomes_one_file_that_says_the_same(name: str, stack: Stacks, tmp_path: Path) -> None:
    built = stack(name)
    made = manifests(built)
    assert write(tmp_path, made) == len(made) == len(built.objects)
    read = [yaml.safe_load(file.read_text()) for file in sorted(tmp_path.rglob("*.yaml"))]
    assert len(read) == len(made)
    for declared in built.objects:
        assert declared.inputs in read


@pytest.mark.parametrize("name", STACKS)
def test_a_second_building_renders_the_same_bytes_in_the_same_order(name: str, stack: Stacks) -> None:
    first, second = manifests(stack(name)), manifests(build(name))
    assert [(m.path, m.text) for m in first] == [(m.path, m.text) for m in second]
    assert [m.path for m in first] == sorted(m.path for m in first)


@pytest.mark.parametrize("name", STACKS)
def test_numbers_are_whole_and_no_value_is_secret(name: str, stack: Stacks) -> None:
    """Mocks hand over doubles; judges then call `runAsUser: 10001.0` a fault that is none."""
    for manifest in manifests(stack(name)):
        assert not [value for value in values(yaml.safe_load(manifest.text)) if isinstance(value, float)], manifest.path
        assert manifest.kind != "Secret"
        assert list(manifest.document)[:3] == ["apiVersion", "kind", "metadata"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"kind": "Secret", "stringData": {"password": "x"}},
        {"kind": "ConfigMap", "data": {"deep": [{"4dabf18193072939515e22adb298388d": "1", "value": "x"}]}},
    ],
    ids=["an object that is one", "a value that the engine marks as one"],
)
def test_a_secret_is_refused_before_anything_is_written(inputs: dict[str, Any], stack: Stacks) -> None:
    sample = stack("data").objects[0]
    planted = replace(
        sample,
        type=f"kubernetes:core/v1:{inputs['kind']}",
        inputs={"apiVersion": "v1", "metadata": {"name": "planted", "namespace": "one"}, **inputs},
    )
    with pytest.raises(InfraError, match="planted of stack data holds a secret") as told:
        manifests(Built("data", [planted]))
    assert told.value.code == "secret-in-manifest"


def test_two_objects_of_one_name_are_refused(stack: Stacks) -> None:
    sample = stack("data").objects[0]
    with pytest.raises(InfraError, match="twice"):
        manifests(Built("data", [sample, sample]))


def test_what_is_no_longer_declared_goes_and_what_is_not_ours_stays(stack: Stacks, tmp_path: Path) -> None:
    made = manifests(stack("data"))
    write(tmp_path, made)
    mine = tmp_path / "notes" / "mine.yaml"
    mine.parent.mkdir()
    mine.write_text("kept: true\n")
    outside = tmp_path.parent / "outside.yaml"
    outside.write_text("kept: true\n")
    with (tmp_path / LIST).open("a") as listed:
        listed.write(f"{'0' * 64}  ../outside.yaml\n")
    assert write(tmp_path, made[1:]) == 1
    assert not (tmp_path / made[0].path).exists()
    assert mine.exists()
    assert outside.exists()
    assert write(tmp_path, made[1:]) == 0


def test_the_list_of_a_stack_holds_the_hashes_of_its_files(stack: Stacks, tmp_path: Path) -> None:
    write(tmp_path, manifests(stack("portal")))
    for line in (tmp_path / LIST).read_text().splitlines():
        digest, _, path = line.partition("  ")
        assert hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() == digest


def test_the_command_renders_every_stack_from_the_settings_that_it_is_given_and_counts(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.portal.yaml").write_text("config:\n  dcshift:migrate: true\n")
    done = run("render", "--output", str(tmp_path / "out"), "--settings", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [row["stack"] for row in document["stacks"]] == list(STACKS)
    assert [row["settings"] for row in document["stacks"]] == [
        *[None] * (len(STACKS) - 1),
        str(tmp_path / "Pulumi.portal.yaml"),
    ]
    assert document["stacks"][-1]["kinds"]["Job"] == 1
    files = list((tmp_path / "out").rglob("*.yaml"))
    assert document["objects"] == sum(sum(row["kinds"].values()) for row in document["stacks"]) == len(files) > 90


@pytest.mark.parametrize(
    ("break_it", "code", "says"),
    [
        (("portal.yaml", "level: 3", "level: 9"), "catalogue-faulty", "portal.yaml:5"),
        (("province.yaml", "storage: 100Gi", "storage: 1Gi"), "settings-refused", "raise capacity in province.yaml"),
    ],
)
def test_a_faulty_catalogue_is_told_and_nothing_is_written(
    break_it: tuple[str, str, str], code: str, says: str, tmp_path: Path
) -> None:
    folder = tmp_path / "province"
    shutil.copytree(CATALOGUE, folder)
    file, old, new = break_it
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    done = run("render", "--output", str(tmp_path / "out"), "--settings", str(tmp_path), catalogue=folder)
    assert done.returncode == 2
    assert f"error[{code}]" in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_stack_is_a_fault_of_the_words(tmp_path: Path) -> None:
    done = run("render", "--stack", "harbour", "--output", str(tmp_path), "--json")
    assert done.returncode == 2
    assert json.loads(done.stderr)["error"]["code"] == "stack-unknown"
    assert done.stdout == ""


def test_a_stacks_own_settings_are_used_as_pulumi_wrote_them(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.portal.yaml").write_text(
        "config:\n  dcshift:migrate: true\n  dcshift:release: 8.0.1\n  other:key: x\n"
    )
    assert settings_of("portal", tmp_path) == {"migrate": "true", "release": "8.0.1"}
    assert settings_of("feedback", tmp_path) == {}
    (tmp_path / "Pulumi.data.yaml").write_text("config:\n  dcshift:registry:\n    secure: AAA\n")
    with pytest.raises(ConfigError, match="is encrypted"):
        settings_of("data", tmp_path)


def test_a_stack_is_built_where_another_program_closed_its_event_loop() -> None:
    async def other() -> None:
        return

    asyncio.run(other())
    assert build("platform").resources


def test_nothing_is_left_open_that_the_interpreter_complains_of_as_it_ends(tmp_path: Path) -> None:
    # In its mode for developers it always does so; otherwise now and then, with a traceback.
    argv = [sys.executable, "-X", "dev", "-m", "infra.render", "--stack", "data", "--output", str(tmp_path / "out")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "unclosed event loop" not in done.stderr
