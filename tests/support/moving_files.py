"""A system whose files lie on this machine and whose bucket is a private store, with the ports that its move needs."""

from __future__ import annotations

import dataclasses
import os
import random
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.store_server import Store
from migration.adapters.clock import SystemClock
from migration.adapters.files import BucketMove
from migration.adapters.units import ProcessUnits
from migration.model.inventory import FilesFacts
from migration.model.words import Proof
from tests.support import buckets
from tests.support.moving import context

NFC = unicodedata.normalize("NFC", "Đơn đề nghị.pdf").encode()
NFD = unicodedata.normalize("NFD", "Đơn đề nghị.pdf").encode()
ODD = [NFC, NFD, b"nh\xe0 \xff.txt", b"a b+c&d=#?%41.txt", b"back\\slash", b"line\nbreak", b"- dash", b"empty.txt"]


class Here:
    """Reaches the `source host`, which is this machine: the words that rsync is given run here."""

    def __init__(self, folder: Path) -> None:
        # As ssh does: the words after the host's name are one line for a shell over there. Nobody needs sudo here.
        self._script = folder / "reach"
        self._script.write_text(f'#!/bin/sh\nshift\nPATH={folder}:$PATH exec sh -c "$*"\n')
        (folder / "sudo").write_text('#!/bin/sh\nshift\nexec "$@"\n')
        for program in (self._script, folder / "sudo"):
            program.chmod(0o755)

    def transport(self, host: str) -> list[str]:
        return [str(self._script), host]

    def run(self, host: str, argv: Sequence[str], *, input: str | None = None, timeout_seconds: float = 10.0) -> str:
        raise AssertionError("no command is needed on the source")


class Keys:
    """The Cluster port, as far as the files' move asks it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_secret(self, namespace: str, name: str) -> Mapping[str, str]:
        assert (namespace, name) == ("httt-portal-app", "portal-uploads")
        return {"access_key": self._store.access_key, "secret_key": self._store.secret_key}


def tree(folder: Path, files: int = 300) -> Path:
    """Make a tree as citizens leave it: odd names, empty files, one in several parts."""
    chance = random.Random(7)
    for number in range(files):
        path = folder / f"ho-so/{number % 13:02}/tệp số {number}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(int(chance.lognormvariate(8, 1))))
    for name in ODD:
        (folder / "lạ").mkdir(exist_ok=True)
        (folder / "lạ" / os.fsdecode(name)).write_bytes(b"" if name == b"empty.txt" else name)
    (folder / "big.bin").write_bytes(chance.randbytes(40 * 1024 * 1024))
    (folder / "link").symlink_to("big.bin")
    (folder / "lạ" / "trống").mkdir()
    return folder


def make(store: Store, source: Path, folder: Path) -> BucketMove:
    bucket = f"b{random.SystemRandom().randrange(10**9)}"
    buckets.provided(store, bucket)
    plain = context(folder / "state", None)
    size = sum(path.lstat().st_size for path in source.rglob("*") if path.is_file())
    facts = FilesFacts(host="files1", path=str(source), files=1, size_bytes=size, special_files=[])
    target = plain.contract.buckets[0].model_copy(update={"endpoint": store.endpoint, "bucket": bucket})
    places = {"uploads": plain.system.source.files["uploads"].model_copy(update={"left_behind": ["link"]})}
    changed = dataclasses.replace(
        plain,
        system=plain.system.model_copy(update={"source": plain.system.source.model_copy(update={"files": places})}),
        facts=plain.facts.model_copy(update={"files": {"uploads": facts}}),
        contract=plain.contract.model_copy(update={"buckets": [target]}),
    )
    units = ProcessUnits(folder / "units")
    return BucketMove(changed, cluster=Keys(store), remote=Here(folder), units=units, clock=SystemClock())


def handed_over(store: Store, folder: Path) -> tuple[BucketMove, Path]:
    """Return a move that has handed its files over, proved in full, and the source's folder."""
    source = tree(folder / "uploads", 60)
    made = make(store, source, folder)
    made.prepare()
    made.replicate(lambda _: None)
    made.hand_over()
    assert failed(made.prove(frozen=True, full=True)) == []
    return made, source


def failed(proofs: Sequence[Proof]) -> list[str]:
    """Return what failed proofs say, differences first."""
    return [difference for proof in proofs if not proof.passed for difference in (*proof.differences, proof.sentence)]
