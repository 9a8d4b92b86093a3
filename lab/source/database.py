"""db1: PostgreSQL 13 as an old data centre has it, one cluster for both systems; its data come from `filled`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab import addresses, ca
from lab.apps.systems import SYSTEMS
from lab.source.files import user_id, write

VERSION: Final = "13"
CONFIGURATION: Final = f"/etc/postgresql/{VERSION}/main"
DATA: Final = f"/var/lib/postgresql/{VERSION}/main"

_SETTINGS: Final = """\
listen_addresses = '*'
max_connections = 100
shared_buffers = 256MB
wal_level = {wal_level}
max_wal_size = 1GB
max_wal_senders = 10
max_replication_slots = 10
password_encryption = scram-sha-256
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
log_timezone = 'Asia/Ho_Chi_Minh'
timezone = 'Asia/Ho_Chi_Minh'
"""


def configure(root: Path, *, wal_level: str) -> None:
    """Write db1's settings, access rules and certificate; a test may want less `wal_level` than `logical`."""
    owner = (user_id(root, "postgres"), user_id(root, "postgres"))
    certificate, key = ca.SITES.issue("db1", ["db1", f"db1.{addresses.DOMAIN}"], [addresses.SOURCE_HOSTS["db1"]])
    write(root, f"{CONFIGURATION}/server.crt", certificate, 0o644, owner)
    write(root, f"{CONFIGURATION}/server.key", key, 0o600, owner)
    settings = _SETTINGS.format(wal_level=wal_level, folder=CONFIGURATION)
    write(root, f"{CONFIGURATION}/conf.d/lab.conf", settings, 0o644, owner)
    write(root, f"{CONFIGURATION}/pg_hba.conf", access(), 0o640, owner)


def access() -> str:
    """Return who may log in from where: each system from app1 to its own database, administrators locally."""
    lines = ["local all postgres peer", "local all all peer", "host all all 127.0.0.1/32 scram-sha-256"]
    application = addresses.SOURCE_HOSTS["app1"]
    lines += [f"host {system.name} {system.name} {application}/32 scram-sha-256" for system in SYSTEMS]
    return "\n".join(lines) + "\n"
