"""A cluster that begins from a copy, played on the loopback: what its stack declares, and an operator that obeys it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from lab.loopback import HOST, as_user, begin, end
from migration.errors import StepFailed
from migration.movers.link import Endpoint
from migration.movers.seed_job import ClusterPlace, SeedJob
from migration.ports.seeding import ClusterState, ImageFacts
from tests.support import killed
from tests.support.application import Application
from tests.support.declared import built_once
from tests.support.killed import Ended
from tests.support.physical import DATABASES, Source

SYSTEM = "portal"
IMAGE = "dcshift.local/postgresql:17"


def order(source: Source, folder: Path, port: int, **other: Any) -> SeedJob:
    """Return the order to take the source's server into the cluster of the portal, by its own version's programs."""
    feed = Endpoint(
        host=HOST, port=source.port, database=SYSTEM, user="dcshift_both", password=source.password,
        tls_mode="require",
    )  # fmt: skip
    job = source.job(
        folder, feed=feed, target_binaries=source.binaries, settings={"fsync": "off", "port": str(port)}
    )  # fmt: skip
    moved = tuple(each.model_copy(update={"system": SYSTEM}) for each in job.databases)
    place = ClusterPlace(
        **{
            "kubeconfig": "/nowhere", "namespace": f"httt-{SYSTEM}-data", "name": f"{SYSTEM}-db", "image": IMAGE,
            "address": HOST, "clients": ("127.0.0.0/8",), "appear_seconds_max": 1200, "ready_seconds_max": 1200,
            **other,
        }
    )  # fmt: skip
    return SeedJob(server=job.model_copy(update={"databases": moved}), cluster=place)


def declared(host: str, port: int) -> dict[str, Any]:
    """Return the Cluster's spec as the stack `data` declares it with this copy."""
    stack = built_once("data", {"seededFrom": f"{SYSTEM}={host}:{port}"})
    (spec,) = [d.inputs["spec"] for d in stack.of("Cluster") if d.identity.endswith(f"/{SYSTEM}-db")]
    return dict(spec)


@dataclass(frozen=True)
class LoopbackCluster:
    """Port `SeededCluster` of a server that the operator below makes; all that it knows lies in `folder`."""

    folder: Path
    major: int

    @property
    def name(self) -> str:
        return f"httt-{SYSTEM}-data/{SYSTEM}-db"

    def image(self, image: str) -> ImageFacts:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
        facts = json.loads((self.folder / "image.json").read_text())
        extensions = frozenset(("plpgsql", "pg_trgm", "unaccent", "pgcrypto", "btree_gist", "hstore", "citext"))
        locales = frozenset(facts.get("locales", ["C.utf8"]))
        return ImageFacts(int(facts.get("major", self.major)), version.partition(" ")[2], locales, extensions)

    def state(self) -> ClusterState | None:
        try:
            spec = json.loads((self.folder / "declared.json").read_text())
        except FileNotFoundError:
            return None
        found = self._read("status.json") or {}
        return ClusterState(spec, bool(found.get("ready")), "setting up", str(found.get("systemID", "")))

    def failed_pods(self) -> list[str]:
        return []

    def rows(self, database: str, query: str) -> list[Mapping[str, Any]]:
        with self.session(database) as session:
            return session.cursor(row_factory=dict_row).execute(query.encode()).fetchall()

    def run(self, database: str, *statements: str) -> None:
        with self.session(database) as session:
            for statement in statements:
                session.execute(statement.encode())

    def password(self) -> str | None:
        found = self._read("secret.json")
        return found["password"] if found else None

    def let_in(self, password: str, authority: str) -> None:
        self.write("secret.json", {"password": password, "ca.crt": authority})

    def shut_out(self) -> None:
        (self.folder / "secret.json").unlink(missing_ok=True)

    # The tests' own

    def session(self, database: str, user: str = "postgres") -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(
                host=str(self.folder), port=5432, dbname=database, user=user, autocommit=True, connect_timeout=60
            )
        except psycopg.OperationalError as refused:
            raise StepFailed("seed-cluster-refuses", what="", why=str(refused), state="", next="") from refused

    def write(self, name: str, value: object) -> None:
        draft = self.folder / f"{name}.new"
        draft.write_text(json.dumps(value))
        draft.replace(self.folder / name)

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return None


class Operator(Application):
    """Does what CloudNativePG does with such a declaration: copies the files its way, then starts a server on them."""

    def __init__(self, world: LoopbackCluster, binaries: Path, *, at_birth: str) -> None:
        self._world, self._binaries, self._at_birth = world, binaries, at_birth
        self.failed = ""

    def _run(self) -> None:
        folder, server = self._world.folder, None
        try:
            while not self._stop.wait(0.1):
                state = self._world.state()
                if state is not None and server is None and (folder / "secret.json").exists() and self._copied(state):
                    server = self._started()
        finally:
            if server is not None:
                end(server)

    def _copied(self, state: ClusterState) -> bool:
        """Copy without `-c fast`, as the operator does, and by the name and certificate that are declared."""
        folder = self._world.folder
        if (folder / "data").exists():
            return True
        (origin,) = state.spec["externalClusters"]  # type: ignore[misc]
        secret = json.loads((folder / "secret.json").read_text())
        (folder / "authority.pem").write_text(secret["ca.crt"])
        words = [f"{name}={value}" for name, value in origin["connectionParameters"].items()]  # type: ignore[index]
        conninfo = " ".join([*words, f"sslrootcert={folder}/authority.pem"])
        argv = [str(self._binaries / "pg_basebackup"), "-D", str(folder / "data"), "-w", "-d", conninfo]
        ended = subprocess.run(
            ["setpriv", *as_user("postgres"), "--", *argv],
            env={"PATH": os.environ["PATH"], "PGPASSWORD": secret["password"]},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode != 0:
            self.failed = ended.stderr
            subprocess.run(["rm", "-rf", folder / "data"], check=True)
            time.sleep(0.5)
        return ended.returncode == 0

    def _started(self) -> subprocess.Popen[bytes]:
        folder, data = self._world.folder, self._world.folder / "data"
        (data / "pg_hba.conf").write_text("local all all trust\n")
        for name in ("postgresql.conf", "postgresql.auto.conf"):
            (data / name).write_text("wal_level = logical\nfsync = off\nmax_replication_slots = 16\n")
        settings = {"unix_socket_directories": str(folder), "listen_addresses": "", "port": "5432"}
        argv = [str(self._binaries / "postgres"), "-D", str(data)]
        argv += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = begin(argv, folder / "log", env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, user="postgres")
        while not self._stop.wait(0.1):
            try:
                rows = self._world.rows("postgres", "SELECT system_identifier::text AS i FROM pg_control_system()")
            except (psycopg.Error, StepFailed):
                continue
            self._world.run("feedback", self._at_birth)  # whoever sees it ready sees it so
            self._world.write("status.json", {"ready": True, "systemID": rows[0]["i"]})
            break
        return server


def run(job: SeedJob, world: LoopbackCluster, folder: Path, *more: str, kill_at: str | None = None) -> Ended:
    """Run the mover as a program of its own over a loopback's cluster, and kill it in the phase `kill_at`."""
    words = ["--world", str(world.folder), "--major", str(world.major), *more]
    return killed.run("tests.support.seed_program", job.as_json(), folder, words, kill_at=kill_at)


__all__ = ["DATABASES", "LoopbackCluster", "Operator", "declared", "order", "run"]
