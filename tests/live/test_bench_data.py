"""The whole bench of the data plane on tiny data: real servers, real peers, and nothing left of it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.data import results, shapes, shown
from bench.data.__main__ import Order, measure
from bench.data.agenda import Agenda
from bench.data.kept import RUNS, Kept
from bench.data.names import OURS, PHYSICAL, Kind, Work
from bench.data.round import Rounds
from lab.errors import LabError
from lab.postgres_server import binaries
from tests.support import liars
from tests.support.patience import until

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server here: apt-get install postgresql"),
]
SIZE_BYTES = 4_000_000
PEERS = {
    Work.DATABASE: {"pg_dump and pg_restore", "pgcopydb"},
    Work.VERIFICATION: {"reladiff"},
    Work.OBJECTS: {"rclone", "s5cmd"},
    Work.UNCHANGED: {"rclone", "s5cmd"},
    Work.TREE: {"rsync"},
    Work.TREE_UNCHANGED: {"rsync"},
}


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where all temporary files go but `tmp_path`, into which the servers' user may not look."""
    with tempfile.TemporaryDirectory(prefix="dcshift-test-") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


def left(place: Path) -> list[str]:
    """Return what is left of a bench: folders, and processes that know one of its files."""
    known = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [*map(str, place.iterdir()), *(words for words in known if str(place) in words)]


def dead_sockets() -> set[Path]:
    """Return the sockets of stores that are gone: those of other tests' stores, at work beside us, answer."""
    return {path for path in Path("/tmp").glob("seaweedfs-*.sock") if not answers(path)}


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.connect(str(path))
        except OSError:
            return not path.exists()  # gone meanwhile, as it should
    return True


def test_everything_is_measured_once_and_comes_out_equal(place: Path, tmp_path: Path) -> None:
    before = dead_sockets()
    kept = Kept(tmp_path / "kept")
    found = measure(Order(SIZE_BYTES, 1, (SIZE_BYTES * 3,)), print, kept)
    print(shown.table(found))
    for work, peers in PEERS.items():
        did = results.programs(found.runs, work)
        assert did[OURS] is Kind.OURS
        there = {program for program, kind in did.items() if kind is Kind.PEER}
        assert there | (peers & found.absent.keys()) == peers
        assert set(results.ratios(found.runs, work)) == there
    if PHYSICAL not in found.absent:  # PyPI did not answer
        assert results.programs(found.runs, Work.DATABASE)[PHYSICAL] is Kind.OURS
        assert found.postgres_physical_ratio is not None
    assert "a physical engine into CloudNativePG" in found.absent
    assert max(run.peak_memory_bytes for run in found.runs if run.kind is Kind.OURS) < results.MEMORY_BYTES_MAX
    assert {f"{run.program} at {run.work}" for run in found.runs if run.kind is not Kind.FLOOR} < found.settings.keys()
    grown = [point for point in found.growth if (point.program, point.work) == (OURS, Work.DATABASE)]
    sizes = [point.bytes for point in grown]
    assert len(sizes) == 2
    assert sizes == sorted(sizes)
    assert max(point.peak_memory_bytes for point in found.growth) < results.MEMORY_BYTES_MAX
    assert results.read(kept.folder / "data.json") == found
    assert len((kept.folder / RUNS).read_text(encoding="utf-8").splitlines()) > len(found.runs)
    assert left(place) == []
    until(lambda: dead_sockets() <= before)  # a store beside us may just be ending


@pytest.mark.parametrize("during", ["COPY to /dev/null", f"{PHYSICAL}: about"])
def test_ctrl_c_in_the_middle_of_a_copy_leaves_nothing(during: str, place: Path) -> None:
    words = [sys.executable, "-m", "bench.data", "--gigabytes", str(SIZE_BYTES / 1e9), "--rounds", "1", "--growth"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if during in line:
            break  # a copy begins now
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=240)
    assert process.returncode == 130, error
    assert "all that was started is stopped" in error
    assert str(Kept().folder) in error
    assert left(place) == []


@pytest.mark.parametrize("peer", ["rclone", "s5cmd"])
def test_a_peer_that_says_yes_and_carries_nothing_ends_the_bench(peer: str, place: Path, tmp_path: Path) -> None:
    files = shapes.Tree({"a": 10, "b": 20})
    shapes.write(files, place / "tree")
    lying = Rounds(place, tmp_path, {peer: Path("/bin/true")}, Agenda(print))
    with pytest.raises(LabError, match=f"{peer} did not do the whole work"):
        lying.objects(place / "tree", files, 1)
    assert [path.name for path in place.iterdir()] == ["tree"]


@pytest.mark.parametrize(
    ("program", "words", "says"),
    [("", "", ""), ("rsync", "--archive*", "rsync did not do the whole"), ("setpriv", "*", "exited with 1")],
    ids=["nobody lies", "the peer", "ours"],
)
def test_a_tree_is_carried_into_a_folder_by_everybody_and_no_liar_is_measured(
    program: str, words: str, says: str, *, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = shapes.tree(200_000)
    shapes.write(files, place / "tree")
    every = Rounds(place, tmp_path, {}, Agenda(print))
    if program:
        liars.plant(tmp_path / "liars", monkeypatch, program, words)
    with contextlib.nullcontext() if not program else pytest.raises(LabError, match=says):
        every.trees(place / "tree", files, 2)
    assert [path.name for path in place.iterdir()] == ["tree"]
    if not program:
        did = {work: results.programs(every.runs, work) for work in (Work.TREE, Work.TREE_UNCHANGED)}
        assert did[Work.TREE] == {"cp -a and sync": Kind.FLOOR, OURS: Kind.OURS, "rsync": Kind.PEER}
        assert did[Work.TREE_UNCHANGED] == {OURS: Kind.OURS, "rsync": Kind.PEER}
        assert every.settings["rsync at tree"] == "rsync --archive TREE/ SCRATCH/folder/"
