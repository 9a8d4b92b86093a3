"""The copy's own server while a cluster reads its files: one role, by TLS, from the cluster's addresses, and no other.

It follows nothing: what it applied would be missing in a cluster that had taken its files before.
"""

from __future__ import annotations

import datetime
import json
import secrets
import shutil

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from catalogue import seeding
from migration.movers import cluster, lines, link, physical_target
from migration.movers.cluster import Cluster
from migration.movers.physical_job import PhysicalJob
from migration.movers.seed_job import SeedJob
from migration.ports.seeding import SeededCluster

_VALID = datetime.timedelta(days=30)
_CHECKPOINT_SECONDS_MAX = 3600.0
_WAITS = "waiting for checkpoint to finish"
_PROGRESS = """
SELECT p.phase, p.backup_streamed, coalesce(p.backup_total, 0) FROM pg_stat_progress_basebackup p
JOIN pg_stat_activity a USING (pid) WHERE a.usename = %s ORDER BY p.backup_streamed DESC LIMIT 1
"""


def open_to(job: SeedJob, server: Cluster, world: SeededCluster) -> None:
    """Start the copy's server for the cluster, unless it runs, and tell the cluster how it gets in."""
    _close_other(job, server)
    authority = _certificate(job)
    physical_target.open_up(_opened(job), server)
    # The pods may have read it already, so what is there stays.
    password = world.password() or secrets.token_urlsafe(24)
    with server.session("postgres", statement_seconds=_CHECKPOINT_SECONDS_MAX) as session:
        role = link.quoted(seeding.ROLE)
        if not link.rows(session, "SELECT 1 FROM pg_roles WHERE rolname = %s", (seeding.ROLE,)):
            link.run(session, f"CREATE ROLE {role} LOGIN REPLICATION")
        # Its verifier only: the password itself is in no statement and so in no log.
        verifier = session.pgconn.encrypt_password(password.encode(), seeding.ROLE.encode(), b"scram-sha-256").decode()
        link.run(session, f"ALTER ROLE {role} PASSWORD {link.literal(verifier)}", "CHECKPOINT")
    world.let_in(password, authority)


def hasten(server: Cluster) -> None:
    """Say how far the cluster's copying is; where it waits for a checkpoint, make one at once.

    The operator asks for one that is spread over minutes, however little there is to write.
    """
    with server.session("postgres", statement_seconds=_CHECKPOINT_SECONDS_MAX) as session:
        found = link.rows(session, _PROGRESS, (seeding.ROLE,))
        if not found:
            lines.progress("start of the cluster", 0, None, "steps")
            return
        phase, done, total = found[0]
        if phase == _WAITS:
            lines.progress("checkpoint for the cluster", 0, None, "steps")
            link.run(session, "CHECKPOINT")
        else:
            lines.progress("files into the cluster", int(done), int(total) or None, "bytes")


def _opened(job: SeedJob) -> PhysicalJob:
    tls = job.server.folder / "tls"
    settings = {
        **job.server.settings,
        "listen_addresses": str(job.cluster.address),
        "ssl": "on",
        "ssl_cert_file": str(tls / "server.pem"),
        "ssl_key_file": str(tls / "server.key"),
        "wal_level": "replica",
        "max_wal_senders": "10",
        # Nobody shall write here, and nobody follow, whatever is enabled by hand.
        "autovacuum": "off",
        "max_logical_replication_workers": "0",
    }
    access = tuple(
        f"hostssl replication {seeding.ROLE} {network} scram-sha-256" for network in map(str, job.cluster.clients)
    )
    return job.server.model_copy(update={"settings": settings, "access": access})


def _close_other(job: SeedJob, server: Cluster) -> None:
    """Stop a server that another order opened: where it listens, as whom and to whom, it reads only when it starts."""
    opened = _opened(job)
    asked = json.dumps([opened.settings, opened.access])
    folder = job.server.folder / "tls"
    note = folder / "order"
    if folder.exists() and (not note.exists() or note.read_text() != asked):
        server.stop()
        shutil.rmtree(folder)
    if not folder.exists():
        folder.mkdir(mode=0o700)
        cluster.own(folder, job.server.user, 0o700)
        cluster.write(note, asked, job.server.user)


def _certificate(job: SeedJob) -> str:
    """Return the certificate that the server shows, made once for this copy: it vouches for itself and nothing else."""
    # Not in the data folder: what lies there goes into the cluster.
    folder = job.server.folder / "tls"
    if (folder / "server.pem").exists():
        return (folder / "server.pem").read_text()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"copy of {job.server.system}")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(job.cluster.address)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    cluster.write(folder / "server.key", private.decode(), job.server.user)
    # Last: where it is, the key is whole.
    cluster.write(folder / "server.pem", made.public_bytes(serialization.Encoding.PEM).decode(), job.server.user)
    return (folder / "server.pem").read_text()
