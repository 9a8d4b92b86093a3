"""A mover of a tree that is killed, overtaken, lied to or out of room leaves no half file and nothing untrue behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migration.errors import StepFailed
from migration.movers import folder, folder_proof, room
from migration.movers.files_index import Index
from migration.movers.folder_job import OURS, FolderJob
from migration.movers.throttle import BYTES_PER_SECOND_MIN
from tests.support import liars
from tests.support.liars import EVERYTHING
from tests.support.moving_folders import as_it_is, job, tree, typed

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("rsync") is None, reason="no rsync here: apt-get install rsync"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files other owners"),
]
BLOCK = 64 * 1024


def plain(place: Path, files: int = 40) -> Path:
    """Make a tree without anything special, 64 KiB a file."""
    source = place / "templates"
    for number in range(files):
        (source / str(number % 3)).mkdir(parents=True, exist_ok=True)
        (source / str(number % 3) / f"{number}.bin").write_bytes(os.urandom(BLOCK))
    return source


def begun(order: FolderJob, out: Path) -> subprocess.Popen[bytes]:
    # Started in the background of a shell it would not hear Ctrl-C.
    argv = ["env", "--default-signal=INT", sys.executable, "-m", "migration.movers.files", "--job", "-"]
    with out.open("wb") as log:
        mover = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
    assert mover.stdin is not None
    mover.stdin.write(order.model_dump_json().encode())
    mover.stdin.close()
    return mover


def wait_until(reached: Callable[[], bool], mover: subprocess.Popen[bytes], out: Path) -> None:
    end = time.monotonic() + 600  # of a machine that is busy with something else
    while not reached():
        assert mover.poll() is None, out.read_text()
        assert time.monotonic() < end
        time.sleep(0.1)


def files_in(order: FolderJob) -> list[Path]:
    return [path for path in order.folder.rglob("*") if path.is_file() and OURS not in path.parts]


def partial(order: FolderJob) -> list[Path]:
    return [path for path in (order.ours / "partial").glob("*/*") if path.is_file()]


def test_a_mover_killed_anywhere_leaves_no_half_file_and_goes_on(tmp_path: Path) -> None:
    source, limit, out = plain(tmp_path), tmp_path / "limit", tmp_path / "said"
    order = job(source, tmp_path, limit_file=limit)
    limit.write_text(str(4 * BYTES_PER_SECOND_MIN))  # slow enough to be met in the middle of a file
    moments: list[Callable[[], bool]] = [
        (order.ours / "claim.json").exists,
        lambda: bool(partial(order)),
        lambda: len(files_in(order)) > 1 and bool(partial(order)),
    ]
    for reached in moments:
        mover = begun(order, out)
        try:
            wait_until(reached, mover, out)
        finally:
            mover.kill()
            mover.wait()
        for path in files_in(order):
            assert path.read_bytes() == (source / path.relative_to(order.folder)).read_bytes(), path
    assert files_in(order)
    limit.write_text("")
    came = len(files_in(order))
    status, said = typed("move", order)
    assert status == 0, said
    # rsync's own child may have given one more file its name after we counted.
    assert 40 - came - 1 <= said["result"]["carried"] <= 40 - came, "what had come was sent again"
    assert as_it_is(order.folder) == as_it_is(source)
    assert partial(order) == []
    assert typed("last", order)[0] == 0
    assert typed("verify-full", order, "--frozen")[1]["result"]["passed"]


def test_ctrl_c_ends_a_mover_in_the_middle_of_its_pieces(tmp_path: Path) -> None:
    source, limit, out = plain(tmp_path, 1), tmp_path / "limit", tmp_path / "said"
    for number in range(501):  # more than go at once with the rest
        (source / f"{number}").touch()
    with (source / "large").open("wb") as holes:
        holes.truncate(2**30)
    order = job(source, tmp_path, limit_file=limit)
    limit.write_text(str(BYTES_PER_SECOND_MIN))  # eighteen hours
    mover = begun(order, out)
    try:
        wait_until(lambda: bool(partial(order)), mover, out)
        mover.send_signal(signal.SIGINT)
        assert mover.wait(120) != 0
    finally:
        mover.kill()
        mover.wait()
    assert "KeyboardInterrupt" in out.read_text()


def test_a_mover_of_an_earlier_turn_is_refused_and_one_at_work_is_stopped(tmp_path: Path) -> None:
    limit, out = tmp_path / "limit", tmp_path / "said"
    order = job(plain(tmp_path), tmp_path, limit_file=limit, token=5)
    limit.write_text(str(BYTES_PER_SECOND_MIN))
    mover = begun(order, out)
    try:
        wait_until(lambda: bool(partial(order)), mover, out)
        # As the mover of a later turn on another machine: it shares nothing with the first but the folder.
        claim = json.loads((order.ours / "claim.json").read_text()) | {"token": 9, "holder": "another"}
        (order.ours / "claim.new").write_text(json.dumps(claim))
        (order.ours / "claim.new").replace(order.ours / "claim.json")
        assert mover.wait(600) == 1
    finally:
        mover.kill()
        mover.wait()
    assert json.loads(out.read_text().splitlines()[-1])["error"]["code"] == "turn-over"
    before = as_it_is(order.folder)
    for verb in ("move", "last", "remove", "take-back"):
        status, said = typed(verb, order.model_copy(update={"token": 8}))
        assert (status, said["error"]["code"]) == (1, "turn-over")
        assert "turn 8 is over: turn 9 has begun" in said["error"]["why"]
    assert as_it_is(order.folder) == before


def test_after_the_way_back_this_machine_still_knows_which_turn_was_last(tmp_path: Path) -> None:
    order = job(plain(tmp_path, 3), tmp_path, token=5)
    folder.replicate(order, Index(order.staging))
    folder.remove(order, Index(order.staging))
    assert list(order.folder.iterdir()) == []
    for token in (0, 4):
        with pytest.raises(StepFailed) as refused:
            folder.replicate(order.model_copy(update={"token": token}), Index(order.staging))
        assert refused.value.code == "turn-over"
    assert list(order.folder.iterdir()) == []


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_target_without_room_is_named_and_the_move_goes_on_once_there_is_some(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = plain(tmp_path, 48)
    order = job(source, tmp_path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", order.folder], check=True)
    # Not every kernel's tmpfs has them, and the tree has none.
    order = order.model_copy(update={"without": ["attributes", "acls"]})
    try:
        if when == "during":
            monkeypatch.setattr(room, "free_bytes", lambda place: 2**40)
        with pytest.raises(StepFailed) as full:
            folder.replicate(order, Index(order.staging))
        assert full.value.code == "target-full"
        assert f"are free in {order.folder}" in full.value.why
        assert bool(files_in(order)) == (when == "during")
        for path in files_in(order):
            assert path.stat().st_size == BLOCK
        subprocess.run(["mount", "-o", "remount,size=32m", order.folder], check=True)
        folder.replicate(order, Index(order.staging))
        assert folder_proof.prove(order, Index(order.staging), frozen=True, full=True).passed
    finally:
        subprocess.run(["umount", order.folder], check=True)


def test_a_volume_that_is_mounted_to_be_read_only_is_said_as_that_by_the_check(tmp_path: Path) -> None:
    order = job(plain(tmp_path, 1), tmp_path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", order.folder], check=True)
    try:
        for verb in ("check", "move"):
            status, said = typed(verb, order)
            assert (status, said["error"]["code"]) == (1, "target-folder-unusable")
            assert "Read-only file system" in said["error"]["why"]
    finally:
        subprocess.run(["umount", order.folder], check=True)


def test_a_file_system_that_keeps_less_is_refused_unless_people_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that keeps less here is a real one whose calls say no, as a share of Windows does."""
    source = tree(tmp_path / "templates", 5)
    order = job(source, tmp_path)
    true = os.setxattr

    def without_attributes(path: Any, name: str, *rest: Any) -> None:
        if OURS in str(path):
            raise OSError(95, "Operation not supported")
        true(path, name, *rest)

    monkeypatch.setattr(os, "setxattr", without_attributes)
    with pytest.raises(StepFailed, match="does not keep") as refused:
        folder.replicate(order, Index(order.staging))
    assert refused.value.code == "target-keeps-less"
    assert "acls (of 2 entries), attributes (of 1 entries)" in refused.value.why
    assert files_in(order) == []
    decided = order.model_copy(update={"without": ["acls", "attributes"]})
    folder.replicate(decided, Index(order.staging))
    proof = folder_proof.prove(decided, Index(order.staging), frozen=True, full=True)
    assert (proof.passed, proof.figures["without"]) == (True, ["acls", "attributes"])


HALF = 'case "$*" in *--server*) ;; *) set -- --max-size=3000 "$@";; esac; exec /usr/bin/rsync "$@"'
BLIND = 'root=$1; shift; exec /usr/bin/find "$root" -path "*/ho-so/0[0-5]*" -prune -o "$@"'


@pytest.mark.parametrize(
    ("program", "text", "says"),
    [
        ("rsync", EVERYTHING, "entries are not as the source has them"),
        ("rsync", HALF, "is missing in the folder"),
        ("env", EVERYTHING, "entries are not as the source has them"),
        ("find", EVERYTHING, "does not list the folder itself"),
        ("find", BLIND, "was read by python3 and is not listed by find"),
        ("python3", EVERYTHING, "did not say that it came to the end"),
        ("setpriv", EVERYTHING, "does not list the folder itself"),
    ],
)
def test_a_tree_carried_by_a_liar_is_not_called_carried(
    program: str, text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = job(tree(tmp_path / "templates", 20), tmp_path)
    if text == EVERYTHING:
        liars.plant(tmp_path / "liars", monkeypatch, program)
    else:
        liars.script(tmp_path / "liars", program, f'echo "$*" >> {tmp_path}/liars/lies\n{text}')
        liars.on_path(tmp_path / "liars", monkeypatch)
    try:
        folder.replicate(order, Index(order.staging))
    except StepFailed as failure:
        assert failure.code == "program-not-believed"
        found = failure.why
    else:
        found = str(folder_proof.prove(order, Index(order.staging), frozen=True, full=True).differences)
    assert says in found
    liars.assert_lied(tmp_path / "liars")
