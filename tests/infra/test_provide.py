"""Providing passwords, keys and buckets: makes what is missing, keeps what is there, says no secret."""

from __future__ import annotations

import base64
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from catalogue.load import Catalogue, load
from infra.credentials import Secrets
from infra.errors import InfraError
from infra.object_store import Keys, policy
from infra.provide import administrator, provide
from infra.retention import Kept
from tests.support.declared import CATALOGUE


@dataclass
class FakeApi:
    """The part of the API server that keeps namespaces and Secrets."""

    namespaces: set[str]
    secrets: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def read_namespace(self, name: str) -> None:
        if name not in self.namespaces:
            raise ApiException(status=404)

    def read_namespaced_secret(self, name: str, namespace: str) -> Any:
        if (namespace, name) not in self.secrets:
            raise ApiException(status=404)
        values = self.secrets[namespace, name]

        return SimpleNamespace(data={k: base64.b64encode(v.encode()).decode() for k, v in values.items()})

    def create_namespaced_secret(self, namespace: str, body: Any) -> None:
        if (namespace, body.metadata.name) in self.secrets:
            raise ApiException(status=409)
        self.secrets[namespace, body.metadata.name] = dict(body.string_data)

    def patch_namespaced_secret(self, name: str, namespace: str, body: Any) -> None:
        self.secrets[namespace, name] |= body["stringData"]


@dataclass
class FakeStore:
    """An object store whose newest keys are the only ones that open a bucket."""

    valid: dict[tuple[str, bool], Keys] = field(default_factory=dict)
    buckets: dict[str, Kept] = field(default_factory=dict)
    made: int = 0
    silent: str = ""
    """The bucket whose store does not say what it does with unfinished uploads."""

    def provide_bucket(self, bucket: str, kept: Kept) -> bool:
        made = bucket not in self.buckets
        self.buckets[bucket] = kept
        return made

    def drops_unfinished(self, bucket: str) -> bool:
        return bucket != self.silent

    def opens(self, bucket: str, keys: Keys) -> bool:
        return keys in (self.valid.get((bucket, False)), self.valid.get((bucket, True)))

    def new_keys(self, bucket: str, *, read_only: bool = False) -> Keys:
        self.made += 1
        made = self.valid[bucket, read_only] = Keys(f"access-{self.made}", f"very-secret-{self.made}")
        return made


@pytest.fixture
def catalogue() -> Catalogue:
    return load(CATALOGUE)


@pytest.fixture
def api() -> FakeApi:
    systems = {f"httt-{system}-{tier}" for system in ("portal", "feedback") for tier in ("app", "data")}
    return FakeApi({*systems, "dcshift-drills"})


def run(catalogue: Catalogue, api: FakeApi, store: FakeStore) -> list[tuple[str, bool]]:
    found = provide(catalogue, Secrets(api), store)  # type: ignore[arg-type]
    return [(f"{system} {done.name}", done.made) for system, done in found]


def test_everything_is_made_once_and_then_kept(catalogue: Catalogue, api: FakeApi) -> None:
    store = FakeStore()
    first = run(catalogue, api, store)
    assert len(first) == 16
    assert all(made for _, made in first)
    before = json.dumps(sorted(api.secrets.items()))
    assert not any(made for _, made in run(catalogue, api, store))
    assert json.dumps(sorted(api.secrets.items())) == before


def test_the_owners_login_is_the_same_where_the_database_is_and_where_its_users_are(
    catalogue: Catalogue, api: FakeApi
) -> None:
    run(catalogue, api, FakeStore())
    kept = api.secrets["httt-portal-data", "portal-db-app"]
    assert api.secrets["httt-portal-app", "portal-db-app"] == kept
    assert kept["username"] == "portal"
    del api.secrets["httt-portal-app", "portal-db-app"]
    run(catalogue, api, FakeStore())
    assert api.secrets["httt-portal-app", "portal-db-app"] == kept


def test_two_different_logins_of_one_owner_are_a_fault(catalogue: Catalogue, api: FakeApi) -> None:
    run(catalogue, api, FakeStore())
    api.secrets["httt-portal-app", "portal-db-app"]["password"] = "another"
    with pytest.raises(InfraError) as told:
        run(catalogue, api, FakeStore())
    assert told.value.code == "owner-secrets-differ"


def test_keys_that_open_nothing_are_replaced(catalogue: Catalogue, api: FakeApi) -> None:
    run(catalogue, api, FakeStore())
    other = FakeStore(made=10)
    made = dict(run(catalogue, api, other))
    assert made["portal keys of bucket khanhhoa-lab-portal-uploads, Secret httt-portal-app/portal-s3-uploads"]
    assert api.secrets["httt-portal-app", "portal-s3-uploads"]["access_key"] == "access-14"


def test_backups_are_written_by_one_key_and_read_by_another(catalogue: Catalogue, api: FakeApi) -> None:
    store = FakeStore()
    run(catalogue, api, store)
    bucket = "backup-khanhhoa-lab-portal"
    # The portal is of level 3, whose backups nobody may delete; both systems' keep what is overwritten.
    assert store.buckets == {
        "khanhhoa-lab-portal-uploads": Kept(30, locked=False),
        "khanhhoa-lab-feedback-uploads": Kept(30, locked=False),
        bucket: Kept(30, locked=True),
        "backup-khanhhoa-lab-feedback": Kept(30, locked=False),
    }
    writes = api.secrets["httt-portal-data", "portal-s3-backup"]["access_key"]
    reads = api.secrets["dcshift-drills", "portal-s3-restore"]["access_key"]
    assert (store.valid[bucket, False].access_key, store.valid[bucket, True].access_key) == (writes, reads)
    assert writes != reads


def test_files_are_kept_as_long_as_their_system_says(catalogue: Catalogue, api: FakeApi) -> None:
    portal = catalogue.system("portal")
    longer = portal.model_copy(update={"files": [portal.files[0].model_copy(update={"kept_days": 400})]})
    store = FakeStore()
    run(dataclasses.replace(catalogue, systems=(longer,)), api, store)
    assert store.buckets["khanhhoa-lab-portal-uploads"] == Kept(400, locked=False)
    assert store.buckets["backup-khanhhoa-lab-portal"] == Kept(30, locked=True)


def test_a_store_that_is_silent_about_unfinished_uploads_is_named_each_time(catalogue: Catalogue, api: FakeApi) -> None:
    store = FakeStore(silent="khanhhoa-lab-portal-uploads")
    for _ in range(2):
        said = [name for name, _ in run(catalogue, api, store) if "unfinished uploads" in name]
        assert said == [
            "portal bucket khanhhoa-lab-portal-uploads, which keeps versions for 30 days; what its store does with "
            "unfinished uploads it does not say"
        ]


@pytest.mark.parametrize(
    ("gone", "stack"),
    [
        ("httt-feedback-app", "ground.feedback"),
        ("httt-portal-data", "ground.portal"),
        ("dcshift-drills", "platform"),
    ],
)
def test_without_the_stacks_below_nothing_is_made(gone: str, stack: str, catalogue: Catalogue, api: FakeApi) -> None:
    api.namespaces.discard(gone)
    system = "portal" if "portal" in gone else "feedback"
    with pytest.raises(InfraError, match="nothing was provided for ") as told:
        run(catalogue, api, FakeStore())
    assert told.value.next.startswith(f"pulumi up --stack {stack},")
    assert not [name for _, name in api.secrets if name.startswith(system)]


def test_what_is_said_holds_no_secret(catalogue: Catalogue, api: FakeApi) -> None:
    said = " ".join(name for name, _ in run(catalogue, api, FakeStore()))
    values = [value for values in api.secrets.values() for key, value in values.items() if key != "username"]
    assert not [value for value in values if value in said]


def test_a_buckets_user_may_use_that_bucket_only() -> None:
    statements = policy("one")["Statement"]
    assert {resource for statement in statements for resource in statement["Resource"]} == {
        "arn:aws:s3:::one",
        "arn:aws:s3:::one/*",
    }
    assert not [action for statement in statements for action in statement["Action"] if "*" in action]
    reads = [action for statement in policy("one", read_only=True)["Statement"] for action in statement["Action"]]
    assert sorted(reads) == ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"]


def test_missing_administrators_keys_are_told(tmp_path: Path) -> None:
    with pytest.raises(InfraError) as told:
        administrator(tmp_path / "s3.json")
    assert told.value.code == "store-credentials-unreadable"
    (tmp_path / "s3.json").write_text('{"region": "lab", "access_key": "x"}')
    with pytest.raises(InfraError, match="administrator is not known"):
        administrator(tmp_path / "s3.json")
