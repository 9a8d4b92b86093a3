"""A declared database that is not there is not made anew, empty, beside the volumes of the one before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from infra.errors import InfraError
from infra.render.declared import Built
from infra.safety.asking import refuse_emptied
from tests.support.declared import built_once

Document = Mapping[str, Any]


def volume(claim: str, namespace: str = "httt-portal-data", phase: str = "Released") -> Document:
    """Return one as the server has it after its claim went."""
    return {
        "metadata": {"name": f"pv-of-{claim}"},
        "spec": {"capacity": {"storage": "20Gi"}, "claimRef": {"namespace": namespace, "name": claim, "uid": "u"}},
        "status": {"phase": phase},
    }


class Left:
    """A cluster with these volumes, and with the databases of these systems."""

    def __init__(self, *volumes: Document, databases: tuple[str, ...] = ()) -> None:
        self.volumes, self.databases, self.asked = volumes, databases, 0

    def read(self, document: Document) -> Document | None:
        return document if document["metadata"]["name"].removesuffix("-db") in self.databases else None

    def items(self, path: str) -> list[Document]:
        assert path == "/api/v1/persistentvolumes"
        self.asked += 1
        return list(self.volumes)


def refused(left: Left, *wanted: Built) -> str:
    """Return why, nothing where it is let through."""
    try:
        refuse_emptied(wanted or (built_once("data"), built_once("portal")), left)  # type: ignore[arg-type]
    except InfraError as error:
        assert error.code == "database-would-be-empty"
        return error.why
    return ""


@pytest.mark.parametrize("claim", ["portal-db-1", "portal-db-12", "portal-db-1-wal", "portal-db-2-tbs-big"])
def test_a_database_that_would_be_empty_beside_its_rows_is_refused_with_the_volume(claim: str) -> None:
    absent = "Cluster httt-portal-data/portal-db is not there"
    assert refused(Left(volume(claim))) == f"{absent}, and volume pv-of-{claim} (20Gi) holds what claim {claim} kept"


def test_every_volume_of_every_database_is_named_at_once() -> None:
    left = Left(volume("portal-db-1"), volume("portal-db-2"), volume("feedback-db-1", "httt-feedback-data"))
    assert [claim in refused(left) for claim in ("portal-db-1", "portal-db-2", "feedback-db-1")] == [True] * 3


@pytest.mark.parametrize(
    "other",
    [
        volume("portal-db-1", phase="Bound"),
        volume("portal-db-1", phase="Available"),
        volume("portal-db-1", namespace="httt-feedback-data"),
        volume("portal-db-1", namespace="dcshift-drills"),
        volume("portal-db-x"),
        volume("my-portal-db-1"),
        volume("portal-db-1-backup"),
        {"metadata": {"name": "pv-1"}, "spec": {}, "status": {"phase": "Available"}},
        {"metadata": {"name": "pv-1"}, "spec": {}},
    ],
    ids=lambda each: f"{each.get('status')} {each['spec'].get('claimRef', {}).get('name')}",
)
def test_a_volume_of_something_else_or_one_that_is_in_use_hinders_nobody(other: Document) -> None:
    assert refused(Left(other)) == ""


@pytest.mark.parametrize("phase", ["Available", "Bound"])
def test_a_database_that_is_being_brought_back_from_one_volume_is_not_held_up_by_those_of_its_replicas(
    phase: str,
) -> None:
    others = volume("portal-db-2"), volume("portal-db-3")
    assert refused(Left(volume("portal-db-1", phase=phase), *others)) == ""
    assert refused(Left(volume("feedback-db-1", "httt-feedback-data", phase), *others)) != ""


def test_who_has_his_databases_is_not_asked_for_volumes_and_who_declares_none_neither() -> None:
    left = Left(volume("portal-db-1"), databases=("portal", "feedback"))
    assert refused(left) == "" and left.asked == 0
    assert refused(left, built_once("portal"), built_once("platform")) == "" and left.asked == 0
    assert "portal-db-1" in refused(Left(volume("portal-db-1"), databases=("feedback",)))


def test_who_says_that_data_may_go_is_let_through() -> None:
    data = built_once("data")
    assert data.settings
    told = dataclasses.replace(data, settings=dataclasses.replace(data.settings, data_may_be_destroyed=True))
    assert refused(Left(volume("portal-db-1")), told) == ""
