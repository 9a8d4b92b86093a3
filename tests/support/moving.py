"""A system whose two databases are private servers of this machine, with the ports that its move needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from catalogue.system import System
from catalogue.target import TargetContract
from migration.adapters.clock import SystemClock
from migration.adapters.database import PostgresMove
from migration.adapters.units import ProcessUnits
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.inventory import HostFacts, SystemFacts
from migration.model.words import Proof
from migration.ports import PlaybookResult
from tests.support import local_servers as servers

CATALOGUE = Path(__file__).parents[2] / "catalogue/khanh-hoa/portal.yaml"
SURVEY = Path(__file__).parents[2] / "playbooks/roles/postgres_source/files/survey.sql"


class Secrets:
    """The Cluster port, as far as a database's move asks it."""

    def __init__(self, target: servers.Server, authority: Path) -> None:
        self._target = target
        self.kept: dict[str, dict[str, str]] = {
            "portal-db-migration": {"username": "dcshift_migration", "password": servers.PASSWORD},
            "portal-db-ca": {"ca.crt": authority.read_text()},
        }

    def read_secret(self, namespace: str, name: str) -> Mapping[str, str]:
        if name not in self.kept:
            raise StepFailed("target-object-missing", what=f"no secret {name}", why=namespace, state="", next="")
        return self.kept[name]

    def write_secret(self, namespace: str, name: str, values: Mapping[str, str]) -> None:
        self.kept[name] = dict(values)

    def delete_secret(self, namespace: str, name: str) -> None:
        self.kept.pop(name, None)

    def service_address(self, namespace: str, name: str) -> tuple[str, int]:
        assert name == "portal-db-rw"
        return "127.0.0.1", self._target.port

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a database's move does not need {name}")


class SourcePlaybooks:
    """Runs the same SQL files as the playbooks do."""

    def __init__(self, source: servers.Server) -> None:
        self._source = source

    def run(
        self,
        playbook: str,
        *,
        limit: Sequence[str],
        variables: Mapping[str, Any],
        secrets: Mapping[str, str] | None = None,
        timeout_seconds: float = 300.0,
    ) -> PlaybookResult:
        assert list(limit) == ["db1"]
        assert variables["dcshift_component"] == "database"
        database, role = variables["postgres_source_database"], variables["postgres_source_role"]
        if playbook == "prepare":
            self._source.install(database, role, (secrets or {})["postgres_source_password"])
        else:
            self._source.remove(database, role)
        return PlaybookResult({}, 0.0)


def context(
    folder: Path, authority: Path | None, token: Any = lambda: 1, database: Mapping[str, Any] | None = None
) -> SystemContext:
    """Return the portal as declared, surveyed and provided; `database` is what a real survey said, if one was made."""
    system = System.model_validate(yaml.safe_load(CATALOGUE.read_text()))
    secret = {"namespace": "httt-portal-data", "keys": ["password"]}
    part = {"namespace": "httt-portal-app"}
    contract = TargetContract.model_validate(
        {
            "schema_version": 1,
            "environment": "lab",
            "system": "portal",
            "stack": "portal",
            "catalogue_hash": "0" * 64,
            "code_hash": "0" * 64,
            "namespaces": {"app": "httt-portal-app", "data": "httt-portal-data"},
            "database": {
                "cluster": "portal-db",
                "namespace": "httt-portal-data",
                "host": servers.TARGET_NAME,
                "port": 5432,
                "name": "portal",
                "owner": "portal",
                "owner_secret": {**secret, "name": "portal-db-owner"},
                "migration_role": "dcshift_migration",
                "migration_secret": {**secret, "name": "portal-db-migration"},
                "ca_secret": {**secret, "name": "portal-db-ca"},
                "major": 17,
                "extensions": ["pg_trgm"],
            },
            "buckets": [
                {
                    "name": "uploads",
                    "bucket": "khanhhoa-lab-portal-uploads",
                    "endpoint": "http://127.0.0.1:1",
                    "region": "lab",
                    "secret": {**part, "name": "portal-uploads", "keys": ["access_key", "secret_key"]},
                }
            ],
            "web": {
                **part,
                **dict.fromkeys(("deployment", "service", "route", "host", "image", "release"), "portal"),
                **{"gateway_address": "127.0.0.1", "gateway_port": 443, "health": "/healthz", "ready": "/readyz"},
                "replicas": 1,
            },
            "jobs": [],
            "limits": {},
            "readiness": [],
            "hash": "0" * 64,
        }
    )
    facts = SystemFacts.model_validate(
        {
            "database": database
            or {
                **{"host": "db1", "name": "portal", "owner": "portal", "server_version": "13.23"},
                **{"server_version_number": 130023, "encoding": "UTF8", "collation": "C.UTF-8", "ctype": "C.UTF-8"},
                **{"size_bytes": 1, "wal_level": "logical", "max_replication_slots": 10, "replication_slots_used": 0},
                **{"max_wal_senders": 10, "extensions": {"pg_trgm": "1.5"}, "tables": [], "sequences": 6},
                **{"large_objects": 42, "materialised_views": 3, "prepared_transactions": 0},
                "longest_transaction_seconds": 0.0,
            },
            "files": {},
            "jobs": {},
            "web": {"host": "app1", "service": "portal.service", "active": True, "enabled": True},
            "traffic": {
                **{"host": "edge1", "site": "portal", "listening_ports": [443], "server_names": []},
                "certificate_expires": "2126-01-01T00:00:00Z",
            },
        }
    )
    host = HostFacts(
        name="db1",
        address="127.0.0.1",
        distribution="Debian 11.11",
        kernel="5.10",
        python="3.9",
        memory_bytes=1,
        disk_free_bytes=1,
        clock_offset_seconds=0.0,
    )
    folder.mkdir(parents=True, exist_ok=True)
    return SystemContext(system, contract, facts, {"db1": host, "files1": host}, token, folder, authority)


def surveyed(source: servers.Server) -> dict[str, Any]:
    """Return what the survey's own question says of the portal's database."""
    with source.admin("portal") as admin:
        answer = admin.execute(SURVEY.read_bytes())
        while answer.description is None:
            answer.nextset()
        (said,) = answer.fetchone() or ({},)
    return {**said, "host": "db1"}


def database_move(
    source: servers.Server,
    target: servers.Server,
    folder: Path,
    token: Any = lambda: 1,
    database: Mapping[str, Any] | None = None,
) -> PostgresMove:
    """Return the move of the portal's database between two servers."""
    authority = source.folder.parent / "ca.pem"
    return PostgresMove(
        context(folder / "state", authority, token, database),
        playbooks=SourcePlaybooks(source),
        cluster=Secrets(target, authority),
        units=ProcessUnits(folder / "units"),
        clock=SystemClock(),
        source_port=source.port,
    )


def failed(proofs: Sequence[Proof]) -> list[str]:
    """Return what proofs that did not pass say."""
    return [difference for proof in proofs if not proof.passed for difference in (*proof.differences, proof.sentence)]
