"""`dcshift verify`: a comparison that could not run has failed, is named, and makes the status non-zero."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from migration.cli.main import command
from migration.wiring import Workspace
from tests.support.workspace import Terminal
from tests.unit.migration_adapters.test_reach import inventory_file


@pytest.fixture
def terminal() -> Terminal:
    made = Terminal()
    made.type("survey")
    made.type("plan")
    made.type("run --wave 1 --until replicate")
    return made


def raising(terminal: Terminal, verb: str, error: Exception) -> None:
    def strike(system: str, now: str) -> None:
        if now.endswith(verb):
            raise error

    terminal.world.tampering = strike


@pytest.mark.parametrize(
    ("verb", "proof"),
    [("database.prove", "rows"), ("files.prove", "files"), ("jobs.prove", "jobs"), ("traffic.prove", "traffic")],
)
@pytest.mark.parametrize(
    "error", [ConnectionResetError("the other side is gone"), ZeroDivisionError("a fault of ours")]
)
def test_a_proof_that_raises_has_failed_and_the_others_are_still_made(
    terminal: Terminal, verb: str, proof: str, error: Exception
) -> None:
    raising(terminal, verb, error)
    status, out, _ = terminal.type("verify portal --json")
    document = json.loads(out)
    proofs = {each["name"]: each for each in document["systems"]["portal"]}
    assert (status, document["failed"]) == (1, 1)
    assert [name for name, each in proofs.items() if not each["passed"]] == [proof]
    assert proofs[proof]["sentence"] == "this comparison could not run"
    assert str(error) in proofs[proof]["differences"][0]
    assert {"files", "jobs", "traffic"} <= proofs.keys()
    raising(terminal, verb, error)
    status, out, err = terminal.type("verify portal")
    assert status == 1
    assert f"✗ {proof}" in out
    assert "1 of " in out.splitlines()[-1]
    assert "everything compared is equal" not in out
    assert "Traceback" not in out + err


def test_a_dead_target_makes_every_proof_that_needs_it_fail(terminal: Terminal) -> None:
    terminal.world.target_dies_at = len(terminal.world.calls)
    status, out, _ = terminal.type("verify portal")
    assert status == 1
    assert all(f"✗ {name}" in out for name in ("rows", "files"))
    assert "nothing of the target answers" in out


def _real(terminal: Terminal, folder: Path) -> Callable[[], Workspace]:
    """Return the same records with the real adapters, hosts that refuse connections, and a cluster nobody named."""
    state = terminal.workspace.state
    hosts = inventory_file(folder)
    return lambda: Workspace(terminal.workspace.catalogue_folder, hosts, folder / "no-kubeconfig", state, None)


def test_hosts_that_cannot_be_reached_make_every_proof_fail(
    terminal: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = command(["verify", "portal", "--json"], _real(terminal, tmp_path))
    document = json.loads(capsys.readouterr().out)
    proofs = {each["name"]: each for each in document["systems"]["portal"]}
    assert (status, document["failed"], proofs.keys()) == (1, 5, {"rows", "files", "jobs", "workers", "traffic"})
    assert not any(each["passed"] for each in proofs.values())
    for name in ("jobs", "workers"):
        assert "app1 cannot be reached over SSH" in proofs[name]["differences"][0]
    assert "edge1 cannot be reached over SSH" in proofs["traffic"]["differences"][0]
    assert all("no-kubeconfig cannot be used" in proofs[name]["differences"][0] for name in ("rows", "files"))


@pytest.mark.parametrize("content", [None, b"", bytes(range(256)), b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_an_authority_that_cannot_be_read_is_an_error_before_anything_is_compared(
    terminal: Terminal, tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = tmp_path / "ca.pem"
    if content is not None:
        authority.write_bytes(content)
    build = _real(terminal, tmp_path)

    def workspace() -> Workspace:
        made = build()
        return Workspace(made.catalogue_folder, made.inventory_file, made.kubeconfig, made.state, authority)

    for words in (["verify", "portal"], ["check", "--system", "portal"]):
        assert command([*words, "--json"], workspace) == 2
        error = json.loads(capsys.readouterr().err.splitlines()[-1])["error"]
        assert (error["code"], str(authority) in error["what"], "DCSHIFT_CA" in error["next"]) == (
            "authority-unusable", True, True)  # fmt: skip
