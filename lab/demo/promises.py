"""Audits the citizens' promises against the target after the move, with the lab's own rights; it mends nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import S3Store

from lab.errors import LabError
from lab.paths import STATE
from lab.target.api import Api, Document
from lab.traffic.audit import Audit, audit


def audit_target(ledger: Path, system: str) -> Audit:
    """Audit one system's acknowledged writes against its database and bucket on the target."""
    return audit(ledger, system, _database(system), _attachments(system))


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


def _attachments(system: str) -> Callable[[str], str]:
    admin = json.loads((STATE / "target" / "s3.json").read_text())
    store = S3Store(
        f"khanhhoa-lab-{system}-uploads",
        endpoint=admin["endpoint"],
        region=admin["region"],
        access_key_id=admin["access_key"],
        secret_access_key=admin["secret_key"],
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )

    def read(path: str) -> str:
        try:
            return hashlib.sha256(bytes(obstore.get(store, path).bytes())).hexdigest()
        except NotFoundError as absent:
            raise FileNotFoundError(path) from absent

    return read


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
