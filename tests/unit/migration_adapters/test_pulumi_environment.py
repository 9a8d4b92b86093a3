"""What pulumi is told: a state and a passphrase that somebody named are kept, and neither is ever repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from migration.adapters.pulumi import environment
from tests.support.clone import Clone
from tests.support.declared import CATALOGUE
from tests.support.project import BIN

OF_A_SITE = (
    "postgres://pulumi:correct-horse@10.0.0.5:5432/states",
    "s3://states?endpoint=http://10.0.0.6:8333&s3ForcePathStyle=true",
    "https://pulumi.example.vn",
    "file:///srv/states",
    "file://~/states",
)
THEIRS = "import json, os; from migration.cli.deploy import stand_where_pulumi_works as stand; stand(); "
THEIRS += "print(json.dumps({**os.environ, 'here': os.getcwd()}))"


def told(folder: Path, **given: str) -> Mapping[str, str]:
    return environment(given, folder / "own", Path("ci.kubeconfig"), Path("/venv"))


def test_where_nothing_is_named_the_state_is_the_checkouts_and_its_passphrase_empty(tmp_path: Path) -> None:
    found = told(tmp_path, PATH="/bin", PULUMI_BACKEND_URL="", PULUMI_CONFIG_PASSPHRASE="")
    assert found["PULUMI_BACKEND_URL"] == f"file://{tmp_path / 'own'}"
    assert (tmp_path / "own").is_dir()
    assert (found["PULUMI_CONFIG_PASSPHRASE"], found["PATH"]) == ("", "/venv/bin:/bin")


@pytest.mark.parametrize("backend", OF_A_SITE)
def test_a_state_that_is_named_is_kept_and_not_repeated(tmp_path: Path, backend: str) -> None:
    found = told(tmp_path, PULUMI_BACKEND_URL=backend, PULUMI_CONFIG_PASSPHRASE="correct-horse")
    assert not {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"} & set(found)
    assert "correct-horse" not in repr(found)
    assert not (tmp_path / "own").exists()


def test_a_passphrase_in_a_file_is_not_hidden_by_an_empty_one(tmp_path: Path) -> None:
    found = told(tmp_path, PULUMI_CONFIG_PASSPHRASE_FILE="/run/phrase")
    assert "PULUMI_CONFIG_PASSPHRASE" not in found


def test_places_are_named_from_where_the_operator_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = told(tmp_path, PULUMI_BACKEND_URL="file://./states", PULUMI_CONFIG_PASSPHRASE_FILE="phrase")
    assert found["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/states"
    assert found["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(tmp_path / "phrase")
    assert found["KUBECONFIG"] == str(tmp_path / "ci.kubeconfig")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone.make(tmp_path_factory.mktemp("clone"))


def test_a_deployment_works_on_the_state_that_its_pipeline_names(tmp_path: Path, clone: Clone) -> None:
    (tmp_path / "catalogue").symlink_to(CATALOGUE)
    given = {
        "PULUMI_BACKEND_URL": OF_A_SITE[0],
        "PULUMI_CONFIG_PASSPHRASE": "correct-horse",
        "KUBECONFIG": "ci.kubeconfig",
        "DCSHIFT_CATALOGUE": "catalogue",
        "DCSHIFT_CA": "ca.pem",
    }
    theirs = json.loads(clone.python("-c", THEIRS, given=given, cwd=tmp_path))
    assert theirs["here"] == str(clone.folder)
    assert not (clone.folder / "build").exists()
    assert theirs["PULUMI_BACKEND_URL"] == OF_A_SITE[0]
    assert theirs["PULUMI_CONFIG_PASSPHRASE"] == "correct-horse"
    for name, place in (("KUBECONFIG", "ci.kubeconfig"), ("DCSHIFT_CATALOGUE", "catalogue"), ("DCSHIFT_CA", "ca.pem")):
        assert theirs[name] == str(tmp_path / place)


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["words", "json"])
def test_what_is_kept_is_said_by_its_name_and_shows_no_secret(clone: Clone, words: tuple[str, ...]) -> None:
    given = {"PULUMI_BACKEND_URL": OF_A_SITE[0], "PULUMI_CONFIG_PASSPHRASE": "correct-horse"}
    said = clone.python(str(BIN / "dcshift"), *words, "env", given=given)
    assert "PULUMI_BACKEND_URL is set and stays what it is" in said
    assert "KUBECONFIG" in said
    assert "correct-horse" not in said
