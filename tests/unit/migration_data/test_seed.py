"""What a cluster that begins from a copy must be, what its image must have, and what is believed of either."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from pydantic import ValidationError

from migration.errors import StepFailed
from migration.movers import claim, place, seed, seed_evidence, seed_findings, seed_job, seed_server
from migration.movers.cluster import Cluster
from migration.movers.physical_facts import DatabaseRow, InDatabase, SourceFacts, TargetFacts
from migration.movers.physical_rare import Rare, Tried
from migration.movers.seed_job import SeedJob
from migration.ports.seeding import ClusterState, ImageFacts, SeededCluster
from tests.support.seeding import IMAGE, declared

HOST = {"host": "10.0.0.5", "database": "portal", "user": "dcshift_portal", "password": "secret", "tls_mode": "require"}
ORDER: dict[str, Any] = {
    "server": {
        "system": "portal",
        "token": 3,
        "source": HOST,
        "feed": HOST,
        "databases": [{"database": "portal", "system": "portal", "owner": "portal", "name": "dcshift_portal"}],
        "folder": "/srv/copy",
        "source_binaries": "/usr/lib/postgresql/13/bin",
        "target_binaries": "/usr/lib/postgresql/17/bin",
        "settings": {"port": "5433"},
    },
    "cluster": {
        "kubeconfig": "/etc/dcshift/kubeconfig",
        "namespace": "httt-portal-data",
        "name": "portal-db",
        "image": IMAGE,
        "address": "10.0.0.7",
        "clients": ["198.18.0.0/16"],
    },
}


def job(**server: Any) -> SeedJob:
    return SeedJob.model_validate({**ORDER, "server": {**ORDER["server"], **server}})


def database(name: str, collate: str = "en_US.UTF-8") -> DatabaseRow:
    return DatabaseRow(name, name.startswith("template"), True, "UTF8", collate, collate, 1, "c", None)


def source(**other: Any) -> SourceFacts:
    inside = InDatabase(True, True, ("plpgsql", "pg_trgm"), (), (), (), (), Rare())
    facts = SourceFacts(
        version="PostgreSQL 13.23 on x86_64-pc-linux-gnu", number=130023, standby=False, superuser="postgres",
        slots_used=0, prepared_transactions=0, subscriptions=(), tablespaces=(), settings_changed=(), settings={},
        databases=(database("template0"), database("postgres"), database("portal")), sorters={"c": "2.31"},
        inside={"portal": inside},
    )  # fmt: skip
    return dataclasses.replace(facts, **other)


def target(**other: Any) -> TargetFacts:
    facts = TargetFacts(
        number=170011, extensions=frozenset(), collations=frozenset(), sorters={"c": "2.41"}, tls=True,
        libraries_missing={}, options_unknown=(), settings={}, rare=Tried(frozenset(), {}, {}, {}),
    )  # fmt: skip
    return dataclasses.replace(facts, **other)


IMAGE_FACTS = ImageFacts(
    17, "2.41", frozenset(("C", "C.utf8", "en_US.utf8", "POSIX")), frozenset(("pg_trgm", "plpgsql"))
)


def codes(image: ImageFacts = IMAGE_FACTS, of: SourceFacts | None = None, to: TargetFacts | None = None) -> list[str]:
    return [each.code for each in seed_findings.of_image(job(), image, of or source(), to or target())]


def test_an_image_that_has_all_is_fit() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("code", "image", "of", "to"),
    [
        ("seed-major", {"major": 16}, {}, {}),
        ("seed-library", {"library": "2.36"}, {}, {}),
        ("seed-locale", {"locales": frozenset(("C", "POSIX", "C.utf8"))}, {}, {}),
        ("seed-locale", {}, {"databases": (database("postgres"), database("portal", "vi_VN.UTF-8"))}, {}),
        ("seed-extensions", {"extensions": frozenset(("plpgsql",))}, {}, {}),
        ("seed-superuser", {}, {"superuser": "root"}, {}),
        ("seed-superuser", {}, {"databases": (database("portal"),)}, {}),
        ("seed-tls", {}, {}, {"tls": False}),
    ],
)
def test_what_an_image_lacks_is_named(code: str, image: dict[str, Any], of: dict[str, Any], to: dict[str, Any]) -> None:
    assert set(codes(dataclasses.replace(IMAGE_FACTS, **image), source(**of), target(**to))) == {code}


def test_locales_are_compared_as_the_c_library_does() -> None:
    rows = (database("postgres", "C"), database("portal", "en_US.utf8"), database("old", "C.UTF-8"))
    assert codes(of=source(databases=rows)) == []


def state(spec: dict[str, Any]) -> ClusterState:
    return ClusterState(spec, ready=False, phase="", system_id="")


def test_what_the_stack_declares_is_what_the_mover_waits_for() -> None:
    assert list(seed_findings.of_cluster(job(), state(declared("10.0.0.7", 5433)))) == []


@pytest.mark.parametrize(
    ("address", "port", "what"),
    [
        ("10.0.0.8", 5433, "externalClusters.0.connectionParameters.host is 10.0.0.8, not 10.0.0.7"),
        ("10.0.0.7", 5434, "externalClusters.0.connectionParameters.port is 5434, not 5433"),
    ],
)
def test_a_cluster_that_begins_elsewhere_is_named(address: str, port: int, what: str) -> None:
    (found,) = seed_findings.of_cluster(job(), state(declared(address, port)))
    assert (found.code, found.what) == ("seed-declared", what)


def test_a_cluster_that_is_born_empty_or_of_another_image_is_named() -> None:
    found = list(seed_findings.of_cluster(job(), state({"bootstrap": {"initdb": {}}, "imageName": "other:17"})))
    assert "bootstrap.pg_basebackup.source is not said, not dcshift-seed" in [each.what for each in found]
    assert found[-1].code == "seed-image"


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ({"access": ["hostssl all all all trust"]}, "access is not to be given"),
        ({"settings": {"listen_addresses": "*"}}, "listen_addresses is not to be given"),
        ({"feed": {**HOST, "host": "/run/postgresql", "tls_mode": "disable"}}, "know no socket"),
        ({"feed": {**HOST, "tls_root": "/etc/ssl/ca.pem"}}, "no file of this machine"),
        (
            {
                "databases": [
                    *ORDER["server"]["databases"],
                    {"database": "other", "system": "other", "owner": "other", "name": "dcshift_other"},
                ]
            },
            "of several systems",
        ),
    ],
)
def test_an_order_that_cannot_be_obeyed_is_refused(server: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        job(**server)


def test_an_order_keeps_its_passwords_out_of_sight_and_comes_back_whole(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.touch(mode=0o600)
    file.write_text(job().as_json())
    assert "secret" not in repr(job())
    assert seed_job.read(str(file)) == job()


def test_slots_must_stand_where_the_copy_ends() -> None:
    at_rest = ("0/15000028", False, "reserved")
    names = ("a", "b")
    assert seed_evidence.unrest(names, {"a": at_rest, "b": at_rest}, "0/15000028") == []
    for wrong, said in (
        (("0/15000100", False, "reserved"), "slot b stands at 0/15000100; the copy ends at 0/15000028"),
        (("0/15000028", True, "reserved"), "slot b stands at 0/15000028, read by somebody; the copy ends"),
        (("0/15000028", False, "lost"), "slot b lost its place"),
    ):
        (found,) = seed_evidence.unrest(names, {"a": at_rest, "b": wrong}, "0/15000028")
        assert found.startswith(said)
    assert seed_evidence.unrest(names, {"a": at_rest}, "0/15000028") == ["slot b is gone"]


def test_what_differs_between_cluster_and_copy_is_named_with_both() -> None:
    copy = {"identifier": "1", "rows of a": "5", "claim": "portal"}
    assert seed_evidence.compared("", copy, dict(copy)) == []
    assert seed_evidence.compared("portal: ", copy, {"identifier": "2", "rows of a": "5", "rows of b": "0"}) == [
        "portal: claim: nothing there, portal here",
        "portal: identifier: 2 there, 1 here",
        "portal: rows of b: 0 there, nothing here",
    ]


def test_a_marker_of_before_is_read_and_a_copy_of_another_way_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / place.MARKER).write_text(
        json.dumps({"system": "portal", "token": 1, "phase": "following", "superuser": "postgres"})
    )
    before = place.read(tmp_path)
    assert before == place.Marker("portal", 1, place.FOLLOWING, "postgres", "")
    with pytest.raises(StepFailed) as told:
        place.refuse_other_way(job().server, before, place.SEEDING, place.SEEDED)
    assert told.value.next.startswith("dcshift move postgres")
    place.refuse_other_way(job().server, before, place.FOLLOWING)


class Copying:
    """A copy's server from which a cluster copies, and which remembers what it was told."""

    def __init__(self, *progress: tuple[str, int, int]) -> None:
        self.progress, self.told, self.stops = list(progress), list[str](), 0

    def stop(self) -> None:
        self.stops += 1

    @contextmanager
    def session(self, _database: str, *, statement_seconds: float) -> Iterator[Copying]:
        assert statement_seconds > 600, "a checkpoint may take long"
        yield self

    @contextmanager
    def cursor(self) -> Iterator[Copying]:
        yield self

    def execute(self, query: bytes, _parameters: object = None) -> None:
        self.told.append(query.decode().strip())

    description = True

    def fetchall(self) -> list[tuple[str, int, int]]:
        return self.progress


@pytest.mark.parametrize(
    ("progress", "told", "said"),
    [
        ([("waiting for checkpoint to finish", 0, 0)], ["CHECKPOINT"], "checkpoint for the cluster"),
        ([("streaming database files", 5, 9)], [], "files into the cluster"),
        ([], [], "start of the cluster"),
    ],
)
def test_a_checkpoint_is_made_at_once_where_the_cluster_waits_for_one_and_only_there(
    progress: list[tuple[str, int, int]], told: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Copying(*progress)
    seed_server.hasten(cast(Cluster, server))
    assert server.told[1:] == told
    assert said in capsys.readouterr().out


def test_an_order_that_was_mended_opens_the_copy_anew_and_the_same_one_leaves_it_open(tmp_path: Path) -> None:
    server = Copying()
    mine = {"folder": str(tmp_path), "server_user": "root" if os.geteuid() == 0 else None}
    for order, stops in ((job(**mine), 0), (job(**mine), 0), (mended := _elsewhere(job(**mine)), 1), (mended, 1)):
        seed_server._close_other(order, cast(Cluster, server))
        shown = seed_server._certificate(order)
        assert server.stops == stops
        names = x509.load_pem_x509_certificate(shown.encode()).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        assert names.value.get_values_for_type(x509.IPAddress) == [order.cluster.address]


def _elsewhere(order: SeedJob) -> SeedJob:
    place = order.cluster.model_copy(update={"address": ipaddress.IPv4Address("10.0.0.8")})
    return order.model_copy(update={"cluster": place})


class Born:
    """A cluster that was born, with a database that carries a claim."""

    name = "httt-portal-data/portal-db"

    def __init__(self, phase: str) -> None:
        self._phase = phase

    def state(self) -> ClusterState:
        return ClusterState({}, ready=True, phase="", system_id="7")

    def rows(self, _database: str, query: str) -> list[dict[str, Any]]:
        return [{"phase": self._phase} if "FROM dcshift.claim" in query else {"one": 1}]


@pytest.mark.parametrize(
    ("phase", "code"), [(claim.HANDED_OVER, "target-handed-over"), (claim.FOLLOWING, "seed-too-late")]
)
def test_nobody_is_told_to_remove_a_cluster_that_serves_though_its_copys_folder_was_lost(phase: str, code: str) -> None:
    with pytest.raises(StepFailed) as told:
        seed._copy(job(), cast(SeededCluster, Born(phase)))
    assert told.value.code == code
