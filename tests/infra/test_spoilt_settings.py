"""Every key of a stack's settings spoilt in every way we know: file, line, key, what is allowed; never a traceback."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import config, stack_keys
from infra.errors import ConfigError, InfraError, SettingsError
from infra.render.building import built
from infra.render.stack_files import file_of, settings_of
from infra.stack_keys import KEYS, PREFIX
from tests.support.commands import run
from tests.support.declared import CATALOGUE
from tests.unit.catalogue.test_spoilt_fields import CASES as OF_THE_CATALOGUE

DIGEST = f"sha256:{'c' * 64}"
STACK = "portal"
RIGHT: dict[str, list[str]] = {
    "layer": ["system"],
    "system": ["portal"],
    "registry": ["registry.example.vn/dcshift", "10.0.0.5:5000", "dcshift.local", "r.vn:443/a_b/c-d"],
    "apiServer": ["10.0.0.10:6443", "192.0.2.10:1"],
    "edgeNamespace": ["edge", "e" * 63],
    "operatorNamespace": ["cnpg-system"],
    "databaseInstances": ["1", "9"],
    "postgresTag": ["17", "17.2-bookworm"],
    "dataMayBeDestroyed": ["true", "false"],
    "seededFrom": ["portal=10.0.0.7:5433", "portal=10.0.0.7:5433,feedback=10.0.0.7:5434"],
    "auditLog": ["/var/log/audit"],
    "podLogs": ["/var/log/containers"],
    "agentState": ["/srv/dcshift/state"],
    "rsyslogImage": ["8.2504", DIGEST],
    "pgbouncerImage": ["1.24", DIGEST],
    "prometheusImage": ["2.53.3", DIGEST],
    "alertmanagerImage": ["0.28", DIGEST],
    "alertWebhook": ["http://10.0.0.30:8080/alerts", "https://10.0.0.30/"],
    "stateMetricsNamespace": ["kube-system", "monitoring"],
    "runbooks": ["https://wiki.khanhhoa.example/runbooks", "docs/runbooks", "http://10.0.0.9:8080/%20"],
    "release": ["8.1.0", "8.10"],
    "image": [f"8.1.0@{DIGEST}"],
    "serves": ["source", "target"],
    "migrate": ["true", "false"],
}
"""The first of each go together: one release, its image."""
NEVER_RIGHT = (
    "",
    " ",
    "a b",
    "-",
    "é",
    "{{x}}",
    "a'b",
    'a"b',
    "a\nb",
    "/",
    "x" * 300,
    "a,b",
    "$(id)",
    "@",
    "\x00",
)
"""Values that no key takes."""
OUT_OF_RANGE: dict[str, list[str]] = {
    "layer": ["network", "Platform", "systems"],
    "system": ["harbour", "Portal"],
    "registry": ["https://registry.example", "registry/", "Registry.example", "r:0", "r:65536", "r//x", "r/x:1", "r/X"],
    "apiServer": ["10.0.0.10", "api.example:6443", "10.0.0.10:0", "10.0.0.10:65536", "[::1]:6443", "10.0.0.300:1"],
    "edgeNamespace": ["Edge", "edge-", "-edge", "e" * 64, "a.b", "a/b"],
    "operatorNamespace": ["cnpg_system", "CNPG", "c" * 64],
    "databaseInstances": ["-1", "0", "10", "3.0", "+3", "03", "three", "1e1", "0x3", "true", "³"],
    "postgresTag": ["latest", DIGEST, ".17", "1" * 129],
    "dataMayBeDestroyed": ["yes", "True", "1", "TRUE", "0"],
    "seededFrom": [
        "portal", "10.0.0.7:5433", "portal=10.0.0.7", "portal=db.example:5433", "Portal=10.0.0.7:5433",
        "portal=10.0.0.7:5433,portal=10.0.0.8:5433", "portal=10.0.0.7:5433,", "portal=10.0.0.7:0",
    ],
    "auditLog": ["/var", "var/log", "/var/../etc", "/var//log", "/var/log/"],
    "podLogs": ["/log", "/var/./log", "~/logs/pods"],
    "agentState": ["/srv", "C:/state/x"],
    "rsyslogImage": ["latest", "sha256:abc", "other/image:1", f"8@{DIGEST}"],
    "pgbouncerImage": ["latest", "sha256:" + "A" * 64],
    "prometheusImage": ["latest", "sha512:" + "a" * 64],
    "alertmanagerImage": ["latest", ":0"],
    "alertWebhook": [
        "http://pager.example/", "ftp://10.0.0.30/", "http://10.0.0.30:0/", "http://10.0.0.30:99999/", "http://[1",
        "http://duty:s3cret@10.0.0.30/", "http://10.0.0.30/?token=s3cret", "10.0.0.30:8080", "http://10.0.0.30/#x",
    ],
    "stateMetricsNamespace": ["Kube-System", "a.b", "kube-", "k" * 64],
    "runbooks": ["https://duty:s3cret@wiki.example", "https://wiki.example/?t=s3cret", "javascript:alert(1)//x y"],
    "release": ["latest", "8.1.0+1", "v1/2", "1" * 129],
    "image": [DIGEST[7:], "8.0.1@sha256:abc", f"8.0.1:{DIGEST}", f"latest@{DIGEST}"],
    "serves": ["both", "Target", "targets"],
    "migrate": ["yes", "no", "on", "True"],
}  # fmt: skip
SPOILT = [(key, value) for key in KEYS for value in (*NEVER_RIGHT, *OUT_OF_RANGE[key])]


def written(folder: Path, entries: Mapping[str, object], stack: str = STACK) -> Path:
    """Write a stack's file with something above and below its settings, one key a line."""
    file = file_of(stack, folder)
    content = {"encryptionsalt": "v1:x", "config": {"other:key": "x", **entries}}
    file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000), encoding="utf-8")
    return file


def line_of(file: Path, key: str) -> int:
    lines = file.read_text(encoding="utf-8").splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if line.strip().startswith(f"{PREFIX}{key}:")]
    return found


def test_every_key_is_spoilt_and_there_are_enough_cases() -> None:
    assert set(RIGHT) == set(OUT_OF_RANGE) == set(KEYS)
    assert len(SPOILT) >= 300
    assert len(SPOILT) + len(OF_THE_CATALOGUE) >= 600


@pytest.mark.parametrize("key", KEYS)
def test_a_spoilt_setting_is_named_with_its_file_and_line_and_what_is_allowed(key: str, tmp_path: Path) -> None:
    for spoilt, value in SPOILT:
        if spoilt != key:
            continue
        other = "migrate" if key != "migrate" else "dataMayBeDestroyed"
        file = written(tmp_path, {PREFIX + other: "true", PREFIX + key: value})
        with pytest.raises(SettingsError) as refused:
            built(STACK, tmp_path)
        (fault,) = refused.value.faults
        assert fault.sentence.startswith(f"{file}:{line_of(file, key)}: {PREFIX}{key} "), fault
        assert KEYS[key].allowed in fault.sentence or "it has feedback, portal" in fault.sentence
        assert "s3cret" not in fault.sentence, "what may be a secret is not repeated"
        assert "\n" not in fault.sentence


@pytest.mark.parametrize("key", KEYS)
def test_what_is_allowed_is_taken(key: str) -> None:
    for value in RIGHT[key]:
        assert not stack_keys.faults({key: value}), value


@pytest.mark.parametrize("stack", ["platform", "ground.portal", "data", "security", "portal"])
def test_what_is_allowed_can_be_built(stack: str, tmp_path: Path) -> None:
    told = {key: values[0] for key, values in RIGHT.items() if key != "layer" or stack == "portal"}
    written(tmp_path, {PREFIX + key: value for key, value in told.items()}, stack)
    assert built(stack, tmp_path).objects


@pytest.mark.parametrize("key", KEYS)
def test_a_misspelt_key_is_told_with_the_nearest(key: str, tmp_path: Path) -> None:
    slips = {key[:-1], key + "s", key.lower(), key.upper(), key[1:], key.replace("e", "ee", 1)} - set(KEYS)
    for slip in sorted(slips):
        file = written(tmp_path, {PREFIX + slip: RIGHT[key][0]})
        with pytest.raises(SettingsError) as refused:
            built(STACK, tmp_path)
        (fault,) = refused.value.faults
        assert fault.sentence.startswith(f"{file}:{line_of(file, slip)}: {PREFIX}{slip} is not a key that a stack has")
        assert fault.sentence.endswith(f"the nearest is {PREFIX}{key}"), fault


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    wrong = {
        "dcshift:serve": "target",
        "dcshift:databaseInstances": -1,
        "dcshift:migrate": "maybe",
        "kubernetes:x": "y",
    }
    file = written(tmp_path, wrong)
    with pytest.raises(SettingsError) as refused:
        built(STACK, tmp_path)
    assert sorted(fault.key for fault in refused.value.faults) == ["databaseInstances", "migrate", "serve"]
    assert f"{file}:5: dcshift:databaseInstances is '-1'; it must be a number from 1 to 9" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config:\n  dcshift:serves: {secure: AAA}\n", ":2: dcshift:serves is encrypted or nested"),
        ("config:\n  dcshift:serves: [target]\n", ":2: dcshift:serves is encrypted or nested"),
        ("config:\n  dcshift:serves:\n", ":2: dcshift:serves has no value"),
        ("config:\n  serves: target\n  dcshift:serves: source\n", ":3: the key dcshift:serves is given with"),
        ("config:\n  dcshift:release: 8.10\n", ":2: dcshift:release is 8.10, which YAML reads as 8.1; put it"),
        ("config:\n  databaseInstances: 03\n", ":2: dcshift:databaseInstances is 03, which YAML reads as 3; put it"),
        ("config:\n  dcshift:release: 1e3\n  dcshift:x: 1_0\n", ":3: dcshift:x is 1_0, which YAML reads as 10; put it"),
        ("config:\n  dcshift:migrate: no\n  dcshift:migrate: yes\n", ":2: the key 'dcshift:migrate' is given twice"),
        ("config: [1]\n", ":1: config is [1]"),
        ("config: 5\n", ":1: config is 5"),
        ("- config\n", ":1: the file is ['config']"),
        ("config:\n  1: x\n", ":2: "),
        ("config: {\n", ": this is not YAML"),
        ("config:\n\t- 1\n", ":2: this is not YAML"),
        ("a: &a [*a]\n", "nested without end"),
        ("[" * 20_000, "nested without end"),
        ("config: !!python/object:os.system x\n", "this is not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_settings_is_told_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    file_of(STACK, tmp_path).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(says)) as refused:
        built(STACK, tmp_path)
    assert str(refused.value).startswith(f"{file_of(STACK, tmp_path)}:")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file_of(STACK, tmp_path).write_bytes(b"config:\n  dcshift:serves: \xff\n")
    file_of("data", tmp_path).mkdir()
    for stack in (STACK, "data"):
        with pytest.raises(ConfigError, match="the file cannot be read"):
            built(stack, tmp_path)


def test_a_value_is_read_as_pulumi_reads_it(tmp_path: Path) -> None:
    """As `pulumi config --json` (3.259) shows the same file."""
    lines = (
        "dcshift:release: '8.10'",
        "dcshift:migrate: yes",
        "dcshift:dataMayBeDestroyed: True",
        "databaseInstances: 3",
        "dcshift:postgresTag: 17.5",
        "other:serves: both",
    )
    file_of(STACK, tmp_path).write_text("\n  ".join(("config:", *lines)))
    assert settings_of(STACK, tmp_path) == {
        "release": "8.10",
        "migrate": "yes",
        "dataMayBeDestroyed": "true",
        "databaseInstances": "3",
        "postgresTag": "17.5",
    }


def test_a_key_without_its_namespace_is_the_projects_own_and_named_at_its_line(tmp_path: Path) -> None:
    file_of(STACK, tmp_path).write_text("config:\n  dcshift:migrate: false\n  serve: target\n")
    with pytest.raises(SettingsError) as refused:
        built(STACK, tmp_path)
    assert str(refused.value).startswith(f"{file_of(STACK, tmp_path)}:3: dcshift:serve is not a key that a stack has")


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n", "config: {}\n", "config:\n", "encryptionsalt: v1:x\n"])
def test_a_file_without_settings_is_no_fault(text: str, tmp_path: Path) -> None:
    file_of(STACK, tmp_path).write_text(text)
    assert settings_of(STACK, tmp_path) == {}


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(KEYS)) | st.text(max_size=12), st.text(max_size=40), max_size=3))
def test_no_setting_at_all_makes_a_traceback(told: dict[str, str]) -> None:
    pulumi.runtime.set_all_config({PREFIX + key: value for key, value in told.items()})
    try:
        found = config.read(STACK, CATALOGUE)
    except SettingsError as refused:
        assert refused.faults
        assert all(fault.sentence and "\n" not in fault.sentence for fault in refused.faults)
    except (ConfigError, InfraError) as refused:
        assert str(refused)
    else:
        assert set(told) <= set(KEYS)
        assert 1 <= found.instances(found.catalogue.system("portal")) <= stack_keys.INSTANCES_MAX
    finally:
        pulumi.runtime.set_all_config({})


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 400), st.integers(0, 12), st.text(max_size=6))
def test_no_slip_of_the_pen_makes_a_traceback(start: int, length: int, put: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = written(Path(folder), {PREFIX + key: values[0] for key, values in RIGHT.items()})
        text = file.read_text(encoding="utf-8")
        start %= len(text)
        file.write_bytes((text[:start] + put + text[start + length :]).encode("utf-8", "surrogatepass"))
        try:
            told = settings_of(STACK, Path(folder))
        except ConfigError as refused:
            assert re.match(rf"{re.escape(str(file))}:[0-9]+: ", str(refused))
        else:
            assert all(isinstance(value, str) for value in told.values())


@pytest.mark.parametrize("verb", [("render",), ("network",)], ids=lambda verb: verb[0])
def test_a_command_tells_it_and_writes_nothing(verb: tuple[str, ...], tmp_path: Path) -> None:
    file = written(tmp_path, {"dcshift:databaseInstances": -1, "dcshift:serve": "target"}, "data")
    output = ("--output", str(tmp_path / "out")) if verb == ("render",) else ()
    done = run(*verb, "--settings", str(tmp_path), *output)
    assert done.returncode == 2
    assert "error[settings-refused]" in done.stderr
    assert f"{file}:4: dcshift:databaseInstances is '-1'; it must be a number from 1 to 9{os.linesep}" in done.stderr
    assert f"{file}:5: dcshift:serve is not a key that a stack has; the nearest is dcshift:serves" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "out").exists()
