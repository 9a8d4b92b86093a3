"""The command lines that are compared, ours and others', each with settings that suit it; nothing is started here."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.data.agenda import COPY_ALL, PLAIN_COPY, READ_ALL
from bench.data.databases import Databases
from bench.data.names import DUMP, OURS, PHYSICAL, RCLONE, RSYNC, Kind
from bench.data.objects import BUCKET, REGION, Objects
from bench.data.shapes import LONGEST, LONGEST_KEY
from bench.data.trees import Folders
from bench.data.whole_server import WholeServer
from lab.paths import CHECKOUT

COPIERS: Final = (OURS, DUMP, "pgcopydb", PHYSICAL)
PROVERS: Final = (OURS, "reladiff")
CARRIERS: Final = (OURS, RCLONE, "s5cmd")
KEEPERS: Final = (OURS, RSYNC)
_JOBS: Final = "2"
_READ_ALL: Final = """DO $$ DECLARE one regclass; BEGIN
    FOR one IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift')
    LOOP EXECUTE format('COPY %s TO ''/dev/null'' (FORMAT binary)', one); END LOOP;
END $$"""
Peers = Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Program:
    """One program, or several one after another, that do a whole work."""

    name: str
    kind: Kind
    steps: Sequence[Sequence[str]]
    environment: Mapping[str, str]
    places: Mapping[str, str]
    """What in its words differs from run to run, and the word for it."""

    @property
    def setting(self) -> str:
        """Return its command lines as the results keep them."""
        text = " && ".join(shlex.join([Path(program).name, *words]) for program, *words in self.steps)
        for place, word in self.places.items():
            text = text.replace(place, word)
        return " ".join(text.split())


def read_all(at: Databases, scratch: Path) -> Program:
    """Return the floor of copying a database: its server reads every row and keeps none."""
    step = ["psql", "-X", "-q", "-c", _READ_ALL, at.url(at.source)]
    return Program(READ_ALL, Kind.FLOOR, [step], _postgres(at, scratch), _places(at, scratch))


def copiers(at: Databases, peers: Peers, scratch: Path) -> list[Program]:
    """Return who copies the database; each may write below `scratch`."""
    source, target = at.url(at.source), at.url(at.target)
    dump = [["pg_dump", "-Fd", "-Z0", f"-j{_JOBS}", "-f", f"{scratch}/dump", source]]
    dump += [["pg_restore", f"-j{_JOBS}", "--exit-on-error", "-d", target, f"{scratch}/dump"]]
    ours = [sys.executable, "-m", "migration.movers.postgres", "--job"]
    ours += [_private(scratch / "copy.json", at.job(superuser=False).as_json())]
    pgcopydb = ["clone", "--source", source, "--target", target, "--table-jobs", _JOBS, "--index-jobs", _JOBS]
    pgcopydb += ["--dir", f"{scratch}/pgcopydb"]
    found = [
        (OURS, Kind.OURS, [ours]),
        (DUMP, Kind.PEER, dump),
        *_of(peers, "pgcopydb", pgcopydb),
    ]
    return [Program(*each, _postgres(at, scratch), _places(at, scratch)) for each in found]


def whole(server: WholeServer, scratch: Path) -> Program:
    """Return our engine that takes the whole server of the database by its files."""
    places = {**_places(server.at, scratch), str(server.at.sockets): "SOCKETS"}
    return Program(PHYSICAL, Kind.OURS, [server.argv], _postgres(server.at, scratch), places)


def provers(at: Databases, peers: Peers, scratch: Path) -> list[Program]:
    """Return who compares both databases: ours all tables, the peer the one with most rows."""
    job = _private(scratch / "prove.json", at.job(superuser=True).as_json())
    reladiff = [at.url(at.source), LONGEST, at.url(at.target), LONGEST, "-k", LONGEST_KEY, "-c", "%", "-j", _JOBS, "-s"]
    found = [
        (OURS, Kind.OURS, [[sys.executable, "-m", "bench.data.prove", job]]),
        *_of(peers, "reladiff", reladiff),
    ]
    return [Program(*each, _postgres(at, scratch), _places(at, scratch)) for each in found]


def carrier(name: str, at: Objects, peers: Peers, scratch: Path) -> Program:
    """Return who carries the tree into the bucket, and again what changed; it may write below `scratch`."""
    ours = [sys.executable, "-m", "migration.movers.files", "--job"]
    ours += [_private(scratch / "carry.json", at.job.as_json())]
    rclone = ["copy", str(at.tree), f"store:{BUCKET}", "--size-only", "--fast-list", "--transfers=16", "--checkers=16"]
    rclone += ["--s3-chunk-size=16M", "--quiet"]
    s5cmd = ["--log=error", "--numworkers=32", f"--endpoint-url={at.store.endpoint}"]
    s5cmd += ["sync", "--size-only", f"{at.tree}/", f"s3://{BUCKET}/"]
    found = [(OURS, Kind.OURS, [ours]), *_of(peers, RCLONE, rclone), *_of(peers, "s5cmd", s5cmd)]
    (one,) = [each for each in found if each[0] == name]
    places = {str(scratch): "SCRATCH", str(at.tree): "TREE", at.store.endpoint: "STORE"}
    return Program(*one, _clean(scratch, _keys(at)), places)


def plain_copy(tree: Path, scratch: Path) -> Program:
    """Return the floor of carrying files: the same bytes, on the same disk, through no store."""
    steps = [["cp", "-r", str(tree), f"{scratch}/copy"]]
    return Program(PLAIN_COPY, Kind.FLOOR, steps, _clean(scratch, {}), {str(scratch): "SCRATCH", str(tree): "TREE"})


def keeper(name: str, at: Folders) -> Program:
    """Return who carries the tree into a folder, and again what changed; the peer has less to do."""
    ours = [sys.executable, "-m", "migration.movers.files", "--job"]
    ours += [_private(at.scratch / "keep.json", at.job.model_dump_json())]
    rsync = ["rsync", "--archive", f"{at.tree}/", f"{at.folder}/"]
    kind, words = (Kind.OURS, ours) if name == OURS else (Kind.PEER, rsync)
    return Program(name, kind, [words], _clean(at.scratch, {}), _of_tree(at))


def copy_all(at: Folders) -> Program:
    """Return the floor of carrying a tree as it is: the same disk, once, and nothing is compared."""
    steps = [["cp", "--archive", f"{at.tree}/.", str(at.folder)]]
    return Program(COPY_ALL, Kind.FLOOR, steps, _clean(at.scratch, {}), _of_tree(at))


def _of_tree(at: Folders) -> dict[str, str]:
    return {str(at.scratch): "SCRATCH", str(at.tree): "TREE"}


def _of(peers: Peers, name: str, words: list[str]) -> list[tuple[str, Kind, list[list[str]]]]:
    return [(name, Kind.PEER, [[str(peers[name]), *words]])] if name in peers else []


def _postgres(at: Databases, scratch: Path) -> dict[str, str]:
    # The programs of the newer server for everybody, by themselves: Debian's psql is a Perl script that looks for one.
    path = f"{at.target.binaries}:{os.environ['PATH']}"
    return _clean(scratch, {"PATH": path, "PGPASSFILE": str(at.pass_file), "PGSSLMODE": "disable"})


def _keys(at: Objects) -> dict[str, str]:
    store, place = at.store, "RCLONE_CONFIG_STORE_"
    return {
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_REGION": REGION,
        f"{place}TYPE": "s3",
        f"{place}PROVIDER": "Other",
        f"{place}ENV_AUTH": "true",
        f"{place}REGION": REGION,
        f"{place}ENDPOINT": store.endpoint,
    }


def _clean(scratch: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing of whoever starts the bench changes what a program does."""
    fixed = {"PATH": os.environ["PATH"], "HOME": str(scratch), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(CHECKOUT)}
    return {**fixed, **more}


def _places(at: Databases, scratch: Path) -> dict[str, str]:
    return {str(scratch): "SCRATCH", at.url(at.source): "SOURCE", at.url(at.target): "TARGET"}


def _private(file: Path, text: str) -> str:
    """Write a file with a secret; return its path."""
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return str(file)
