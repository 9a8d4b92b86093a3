"""What a cluster that begins from a copy must be, what its image must have, and what is believed of either."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from migration.adapters import image_facts
from migration.adapters.command import Completed
from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.seeded_cluster import CnpgCluster
from migration.errors import StepFailed
from migration.movers import place, seed_evidence, seed_findings, seed_job
from migration.movers.physical_facts import DatabaseRow, InDatabase, SourceFacts, TargetFacts
from migration.movers.seed_job import ClusterPlace, SeedJob
from migration.ports.seeding import ClusterState, ImageFacts
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
IMAGE_SAID = f"""postgres (PostgreSQL) 17.11 (Debian 17.11-0+deb13u1)
glibc 2.41
locales
C
C.utf8
en_US.utf8
POSIX
extensions
/usr/share/postgresql/17/extension/pg_trgm.control
/usr/share/postgresql/17/extension/plpgsql.control
{"dcshift-end"}
"""


def job(**server: Any) -> SeedJob:
    return SeedJob.model_validate({**ORDER, "server": {**ORDER["server"], **server}})


def database(name: str, collate: str = "en_US.UTF-8") -> DatabaseRow:
    return DatabaseRow(name, name.startswith("template"), True, "UTF8", collate, collate, 1, "c", None)


def source(**other: Any) -> SourceFacts:
    inside = InDatabase(True, True, ("plpgsql", "pg_trgm"), (), (), (), ())
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
        libraries_missing={}, options_unknown=(), settings={},
    )  # fmt: skip
    return dataclasses.replace(facts, **other)


IMAGE_FACTS = image_facts.read(IMAGE_SAID, IMAGE)


def codes(image: ImageFacts = IMAGE_FACTS, of: SourceFacts | None = None, to: TargetFacts | None = None) -> list[str]:
    return [each.code for each in seed_findings.of_image(job(), image, of or source(), to or target())]


def test_an_image_that_has_all_is_fit() -> None:
    assert IMAGE_FACTS.extensions == {"pg_trgm", "plpgsql"}
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


@pytest.mark.parametrize(
    "cut", ["glibc 2.41\n", "locales\n", "extensions\n", "dcshift-end\n", "postgres (PostgreSQL) "]
)
def test_an_image_that_says_less_than_all_is_not_believed(cut: str) -> None:
    with pytest.raises(StepFailed) as told:
        image_facts.read(IMAGE_SAID.replace(cut, ""), IMAGE)
    assert told.value.code == "image-silent"


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


class Pods:
    """Pods in which every program ends with 0 and says what it is told to."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.asked: list[Sequence[str]] = []

    def run(
        self, namespace: str, pod: str, container: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Completed:
        self.asked.append(argv)
        return Completed(0, self.answer, "")


class Objects:
    """An API server that answers every question with one cluster, whose first instance is primary."""

    def ask(self, _ask: object, _what: str) -> dict[str, Any]:
        return {"spec": {}, "status": {"currentPrimary": "portal-db-1"}}


def cluster(pods: Pods) -> CnpgCluster:
    return CnpgCluster(ClusterPlace.model_validate(ORDER["cluster"]), cast(KubernetesCluster, Objects()), pods)


@pytest.mark.parametrize("answer", ["", "1", "\n", "{}", "SELECT"])
def test_a_psql_that_says_yes_and_asks_nobody_is_not_believed(answer: str) -> None:
    with pytest.raises(StepFailed) as told:
        cluster(Pods(answer)).rows("portal", "SELECT 1 AS one")
    assert told.value.code == "program-not-believed"


def test_what_a_cluster_is_asked_carries_no_password_and_each_statement_stands_alone() -> None:
    pods = Pods('[{"one": 1}]\n')
    assert cluster(pods).rows("portal", "SELECT 1 AS one") == [{"one": 1}]
    cluster(pods).run("portal", "A", "B")
    assert pods.asked[-1] == ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "portal", "-c", "A", "-c", "B"]
