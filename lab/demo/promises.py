"""Audits the citizens' promises against the target after the move, with the lab's own rights; it mends nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import psycopg

from lab.apps.systems import SYSTEMS
from lab.errors import LabError
from lab.paths import STATE
from lab.target.api import Api, Document
from lab.traffic.audit import Audit, ReadAttachment, audit, bucket_reader


def audit_target(ledger: Path, system: str) -> Audit:
    """Audit one system's acknowledged writes against its database and bucket on the target."""
    return audit(ledger, system, _database(system), _attachments(system))


def assert_figures(scale: str) -> int:
    """Count on the target what the lab was filled with, such as 331 procedures at level 3; return how many figures.

    Raises `LabError` naming every figure that differs.
    """
    wrong, read = [], 0
    for system in SYSTEMS:
        with psycopg.connect(_database(system.name), autocommit=True) as connection:
            for count in system.counts:
                row = connection.execute(count.query.encode()).fetchone()
                seen, read = (row[0] if row else None), read + 1
                if seen != count.expected[scale]:
                    wrong.append(f"{system.name} has {seen} {count.name}, filled were {count.expected[scale]}")
    if wrong:
        raise LabError(
            "figures-differ",
            what="the target does not hold what the source was filled with",
            why="; ".join(wrong),
            state="the target serves; nothing was changed by this count",
            next="dcshift verify --rows; read the report",
        )
    return read


def _database(system: str) -> str:
    namespace, cluster = f"httt-{system}-data", f"{system}-db"
    api = Api()
    try:
        secret = _found(api.get(f"/api/v1/namespaces/{namespace}/secrets/{cluster}-app"), f"Secret {cluster}-app")
        service = _found(api.get(f"/api/v1/namespaces/{namespace}/services/{cluster}-rw"), f"Service {cluster}-rw")
    finally:
        api.close()
    user, password = (base64.b64decode(secret["data"][key]).decode() for key in ("username", "password"))
    address = service["spec"]["clusterIP"]
    return f"postgresql://{quote(user)}:{quote(password)}@{address}:5432/{system}?sslmode=require"


def _attachments(system: str) -> ReadAttachment:
    admin = json.loads((STATE / "target" / "s3.json").read_text())
    bucket = f"khanhhoa-lab-{system}-uploads"
    return bucket_reader(admin["endpoint"], bucket, admin["access_key"], admin["secret_key"], region=admin["region"])


def _found(document: Document | None, what: str) -> Document:
    if document is None:
        raise LabError(
            "audit-impossible",
            what="the citizens' writes could not be audited",
            why=f"{what} is not in the cluster",
            state="nothing was changed; an audit that could not run counts as failed",
            next="pulumi up, then run the demo again",
        )
    return document
