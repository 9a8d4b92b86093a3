"""A server of two databases becomes a real CloudNativePG cluster of a newer version, under writers."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.addresses import NODE_ADDRESS
from lab.images import image_name
from lab.loopback import HOST, free_ports
from lab.postgres_server import binaries
from lab.target import layout
from lab.target.api import Api, Document
from lab.target.processes import wait_until
from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.pod_programs import ExecutedInPods
from migration.adapters.seeded_cluster import CnpgCluster
from migration.movers import place, stream
from migration.movers.seed_job import SeedJob
from tests.live.test_target import api, namespace
from tests.support import killed, operand_programs
from tests.support.physical import DATABASES, Source, Writer
from tests.support.seeding import SYSTEM, declared, order

__all__ = ["api", "namespace"]
pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
CLIENTS = ("198.18.0.0/16", f"{NODE_ADDRESS}/32")
KILLED = ("waiting for the cluster's declaration",)


@dataclass
class NodeSource(Source):
    """The source, which the cluster's pods reach at the node's address."""

    def create(self, data: Path) -> None:
        self.settings = {**self.settings, "listen_addresses": f"{HOST},{NODE_ADDRESS}"}
        super().create(data)
        with (data / "pg_hba.conf").open("a") as file:
            file.writelines(f"hostssl all,replication all {network} scram-sha-256\n" for network in CLIENTS)


@pytest.fixture(scope="module")
def room(standing_target: None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def source(room: Path) -> Iterator[Source]:
    found = binaries()
    if found is None or os.geteuid() != 0:
        pytest.skip("needs root and a PostgreSQL server: apt-get install postgresql")
    server = NodeSource(room / "source", found[0], free_ports(1)[0])
    server.start()
    try:
        if server.major > operand_programs.MAJOR:
            pytest.skip(f"this machine's PostgreSQL {server.major} is newer than the image's")
        server.fill()
        yield server
    finally:
        server.stop()


def ordered(source: Source, room: Path, namespace: str, port: int) -> SeedJob:
    made = order(
        source, room / "copy", port, kubeconfig=layout.KUBECONFIG, namespace=namespace, image=image_name("postgresql"),
        address=NODE_ADDRESS, clients=CLIENTS,
    )  # fmt: skip
    feed = made.server.feed.model_copy(update={"host": NODE_ADDRESS})
    programs = operand_programs.programs(room)
    return made.model_copy(
        update={"server": made.server.model_copy(update={"feed": feed, "target_binaries": programs})}
    )


def run(job: SeedJob, folder: Path, *more: str, kill_at: str | None = None) -> killed.Ended:
    return killed.run("migration.adapters.physical_seed", job.as_json(), folder, more, kill_at=kill_at)


def cluster(namespace: str, port: int, password: str) -> list[Document]:
    birth: dict[str, Any] = declared(NODE_ADDRESS, port)
    owner = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/basic-auth",
        "metadata": {"name": f"{SYSTEM}-db-app", "namespace": namespace},
        "stringData": {"username": SYSTEM, "password": password},
    }
    spec = {
        "instances": 1,
        "imageName": image_name("postgresql"),
        "storage": {"size": "1Gi", "storageClass": layout.STORAGE_CLASS},
        "enableSuperuserAccess": False,
        "bootstrap": birth["bootstrap"],
        "externalClusters": birth["externalClusters"],
        "postgresql": {"pg_hba": birth["postgresql"]["pg_hba"], "parameters": {"max_replication_slots": "16"}},
    }
    kind = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster"}
    return [owner, {**kind, "metadata": {"name": f"{SYSTEM}-db", "namespace": namespace}, "spec": spec}]


def test_a_server_becomes_a_cluster_of_a_newer_version_and_has_every_write(
    api: Api, namespace: str, source: Source, room: Path, tmp_path: Path
) -> None:
    port, password = free_ports(1)[0], secrets.token_hex(8)
    before = source.catalogue()
    path = f"/apis/postgresql.cnpg.io/v1/namespaces/{namespace}/clusters/{SYSTEM}-db"
    job = ordered(source, room, namespace, port)
    kubernetes = KubernetesCluster(layout.KUBECONFIG)
    world = CnpgCluster(job.cluster, kubernetes, ExecutedInPods(kubernetes))
    with ExitStack() as stack:
        writers = [stack.enter_context(Writer(source, database)) for database in DATABASES]
        for phase in KILLED:
            stopped = run(job, tmp_path, kill_at=phase)
            assert stopped.status == -9, stopped.text
            assert phase in stopped.phases, stopped.text
            api.apply_all(cluster(namespace, port, password))
            source.turn += 1
            job = job.model_copy(update={"server": job.server.model_copy(update={"token": source.turn})})
        ended = run(job, tmp_path)
        assert ended.status == 0, ended.text
        print(ended.last["result"])
    for writer in writers:
        assert writer.refused is None
        assert len(writer.acknowledged) > 100
        with source.admin(writer.database) as admin:
            value = stream.mark(admin)
            ours = [number for (number,) in admin.execute("SELECT id FROM ledger ORDER BY id").fetchall()]
        wait_until("the mark", lambda name=writer.database, mark=value: marked(world, name) >= mark, 240)
        there = [int(str(row["id"])) for row in world.rows(writer.database, "SELECT id FROM ledger ORDER BY id")]
        assert len(there) == len(set(there))
        assert set(writer.acknowledged) <= set(there)
        assert there == ours
    # What the copying needed is gone on both sides, and nothing of this machine's serves any more.
    assert {entry.name for entry in job.server.folder.iterdir()} == {place.MARKER, "dcshift.lock"}
    assert world.password() is None
    assert world.rows("postgres", "SELECT 1 AS one FROM pg_roles WHERE rolname = 'dcshift_seed'") == []
    assert owner_enters(world, namespace, password)
    undone = run(job, tmp_path, "--undo")
    assert undone.status == 0, undone.text
    assert world.rows(SYSTEM, "SELECT subname FROM pg_subscription") == []
    assert source.catalogue() == before
    shutil.rmtree(job.server.folder, ignore_errors=True)
    api.delete(path)
    pods = f"/api/v1/namespaces/{namespace}/pods?labelSelector=cnpg.io%2Fcluster%3D{SYSTEM}-db"
    wait_until("the end of its pods", lambda: not api.items(pods), 240)


def marked(world: CnpgCluster, database: str) -> int:
    return int(str(world.rows(database, "SELECT value FROM dcshift.marker WHERE id = 1")[0]["value"]))


def owner_enters(world: CnpgCluster, namespace: str, password: str) -> bool:
    """Say whether the owner logs in over TLS with the password of his Secret, and not with the source's."""
    pods = ExecutedInPods(KubernetesCluster(layout.KUBECONFIG))

    def enters(word: str) -> bool:
        there = f"host=127.0.0.1 dbname={SYSTEM} user={SYSTEM} password={word} sslmode=require"
        said = pods.run(
            namespace, f"{SYSTEM}-db-1", "postgres", ["psql", "-XAtc", "SELECT 1", there], timeout_seconds=240
        )
        return said.stdout.strip() == "1"

    return enters(password) and not enters("another")
