"""A centre that is no lab: what levels ask for is derived; what cannot be is refused before it is written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.errors import ConfigError, InfraError
from infra.render.__main__ import render
from infra.render.judging import ask, refuse_breaches
from tests.support.commands import run
from tests.support.declared import STACKS, Built, built_once
from tests.support.own_centre import DEPLOYED, OWN, province

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = province(tmp_path)
    monkeypatch.setenv("DCSHIFT_CATALOGUE", str(made))
    return made


def built(**config: str) -> list[Built]:
    return [built_once(stack, {**OWN, **config}) for stack in STACKS]


@pytest.mark.usefixtures("own")
def test_with_a_digest_every_stack_keeps_every_rule_with_and_without_a_migration() -> None:
    refuse_breaches(built(**DEPLOYED))
    refuse_breaches(built(**DEPLOYED, migrate="true"))


@pytest.mark.usefixtures("own")
def test_copies_are_the_levels_and_a_lab_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def copies() -> dict[str, tuple[int, int]]:
        instances = {
            c.inputs["metadata"]["name"]: c.inputs["spec"]["instances"] for c in built_once("data", OWN).of("Cluster")
        }
        found = {}
        for system in ("portal", "feedback"):
            (scaler,) = built_once(system, OWN).of("HorizontalPodAutoscaler")
            found[system] = (scaler.inputs["spec"]["minReplicas"], instances[f"{system}-db"])
        return found

    # Levels 3 and 2 of vn-2016: docs/norms.md.
    assert copies() == {"portal": (2, 3), "feedback": (2, 2)}
    monkeypatch.delenv("DCSHIFT_CATALOGUE")
    assert copies() == {"portal": (1, 1), "feedback": (1, 1)}


@pytest.mark.usefixtures("own")
def test_what_cannot_be_derived_is_one_error_that_names_every_breach() -> None:
    with pytest.raises(InfraError) as told:
        refuse_breaches(built())
    assert told.value.code == "rules-broken"
    assert told.value.why.count("image-by-digest") == len(told.value.why.splitlines()) == 7
    assert "stack portal: CronJob httt-portal-app/" in told.value.why
    assert told.value.next.startswith("pulumi config set dcshift:image")


@pytest.mark.usefixtures("own")
def test_fewer_instances_than_the_level_asks_for_are_refused_though_somebody_set_them() -> None:
    with pytest.raises(InfraError, match="2 breaches") as told:
        refuse_breaches([built_once("data", {**OWN, "databaseInstances": "1"})])
    assert "take dcshift:databaseInstances away" in told.value.next


@pytest.mark.usefixtures("own")
def test_rendering_refuses_what_the_cluster_would_refuse_and_writes_nothing(tmp_path: Path) -> None:
    for stack in STACKS:
        told = {f"dcshift:{key}": value for key, value in OWN.items()}
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(json.dumps({"config": told}))
    with pytest.raises(InfraError, match="what stacks feedback, portal would write is not allowed: 7 breaches"):
        render(tmp_path / "out", None, tmp_path)
    assert not (tmp_path / "out").exists()
    assert render(tmp_path / "out", "data", tmp_path)[0]["objects"] == 9


@pytest.mark.usefixtures("own")
def test_the_program_asks_with_the_engines_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {f"dcshift:{key}": value for key, value in OWN.items()}
    deployed = {f"dcshift:{key}": value for key, value in DEPLOYED.items()}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**own, **deployed, "pulumi:other": "x"}))
    ask("portal")
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(own))
    with pytest.raises(InfraError, match="stack portal would write") as told:
        ask("portal")
    assert told.value.code == "rules-broken"


def test_a_refusal_is_read_whatever_the_interpreter_says_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    thoughts = {"code": "rules-broken", "what": "w", "why": "y", "state": "s", "next": "n"}
    noise = ("Exception ignored in: <function x>", '  File "x.py"', "[1]", '{"error": 3}', '{"error": {"code": "c"}}')
    said = "\n".join(["a warning before", json.dumps({"error": thoughts}), *noise, "ValueError: -1", ""])
    monkeypatch.setattr(subprocess, "run", lambda argv, **_: subprocess.CompletedProcess(argv, 1, "", said))
    with pytest.raises(InfraError) as told:
        ask("portal")
    assert (told.value.code, told.value.next) == ("rules-broken", "n")


def test_a_judgement_that_cannot_be_had_is_no_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", "no JSON")
    with pytest.raises(InfraError) as told:
        ask("portal")
    assert told.value.code == "stack-not-judged"
    assert "JSONDecodeError" in told.value.why


def test_a_tag_alone_is_not_deployed_outside_a_lab(own: Path) -> None:
    done = run("deploy", "portal", "--release", "8.0.1", "--preview", catalogue=own)
    assert done.returncode == 2
    assert "error[deployment-unnamed]" in done.stderr
    assert "only a lab deploys by tag" in done.stderr


def test_the_catalogues_check_counts_the_copies_that_will_stand_there(tmp_path: Path) -> None:
    small = province(tmp_path, ("province.yaml", "storage: 100Gi", "storage: 30Gi"))
    done = run("catalogue", "check", catalogue=small)
    assert done.returncode == 2, os.linesep.join([done.stdout, done.stderr])
    assert "40960Mi of storage where there is 30720Mi" in done.stdout + done.stderr


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "dcshift:registry and dcshift:apiServer must be set in environment production: only a lab"),
        ({"registry": "registry.example"}, "pulumi config set dcshift:apiServer 10.0.0.10:6443"),
        (
            {**OWN, "apiServer": "api.khanhhoa.example:6443"},
            "dcshift:apiServer is 'api.khanhhoa.example:6443'; it must",
        ),
        (
            {**OWN, "apiServer": "10.1.0.10"},
            "it must be an IPv4 address and a port (a network policy knows addresses only)",
        ),
    ],
)
def test_what_only_a_lab_could_know_is_asked_for(config: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        built_once("portal", config)


def program(catalogue: Path, **config: str) -> subprocess.CompletedProcess[str]:
    """Run the program as the engine does, without an engine: it prints what it would tell it."""
    told = {"PULUMI_CONFIG": json.dumps({f"dcshift:{key}": value for key, value in config.items()})}
    return subprocess.run(
        [sys.executable, ROOT / "infra" / "__main__.py"],
        env={**os.environ, **told, "DCSHIFT_CATALOGUE": str(catalogue)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "config", "code"),
    [
        (None, {"layer": "data"}, "settings-refused"),
        (None, {**OWN, "layer": "system", "system": "portal"}, "rules-broken"),
        (None, {**OWN, "layer": "data", "databaseInstances": "three"}, "settings-refused"),
        (("portal.yaml", "major: 17", "major: 15"), {"layer": "data"}, "catalogue-faulty"),
    ],
)
def test_pulumi_shows_four_thoughts_and_no_traceback(
    change: tuple[str, str, str] | None, config: dict[str, str], code: str, tmp_path: Path
) -> None:
    done = program(province(tmp_path, *([change] if change else [])), **config)
    assert f"error[{code}]: " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 32, "the engine then adds no error of its own"
