"""What an image and a cluster say, and that neither is believed when it says less than it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from migration.adapters import image_facts
from migration.adapters.command import Completed
from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.seeded_cluster import CnpgCluster
from migration.errors import StepFailed
from migration.movers.seed_job import ClusterPlace
from migration.ports.seeding import ImageFacts

IMAGE = "dcshift.local/postgresql:17"
PLACE = {
    "kubeconfig": "/etc/dcshift/kubeconfig", "namespace": "httt-portal-data", "name": "portal-db", "image": IMAGE,
    "address": "10.0.0.7", "clients": ["198.18.0.0/16"],
}  # fmt: skip
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


def test_an_image_is_read_as_it_says() -> None:
    assert image_facts.read(IMAGE_SAID, IMAGE) == ImageFacts(
        17, "2.41", frozenset(("C", "C.utf8", "en_US.utf8", "POSIX")), frozenset(("pg_trgm", "plpgsql"))
    )


@pytest.mark.parametrize(
    "cut", ["glibc 2.41\n", "locales\n", "extensions\n", "dcshift-end\n", "postgres (PostgreSQL) "]
)
def test_an_image_that_says_less_than_all_is_not_believed(cut: str) -> None:
    with pytest.raises(StepFailed) as told:
        image_facts.read(IMAGE_SAID.replace(cut, ""), IMAGE)
    assert told.value.code == "image-silent"


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
    return CnpgCluster(ClusterPlace.model_validate(PLACE), cast(KubernetesCluster, Objects()), pods)


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
