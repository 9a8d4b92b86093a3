"""Two private PostgreSQL servers of different majors on this machine, with the roles of the real source and target.

Binaries come from DCSHIFT_TEST_POSTGRES_SOURCE and _TARGET (folders with initdb and postgres), else from what Debian
installed: the oldest server as source, the newest as target. It stops only what it started, by process id.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from migration.movers.link import Endpoint

INSTALL = Path(__file__).parents[2] / "playbooks/roles/postgres_source/files/dcshift.sql"
REMOVE = INSTALL.with_name("dcshift_remove.sql")
TARGET_NAME = "portal-db-rw.httt-portal-data.svc.cluster.local"
PASSWORD = "pass:word\\with 'odd' signs"


def binaries() -> tuple[Path, Path] | None:
    """Return the folders of both servers' programs, or None when this machine has none."""
    named = [os.environ.get(f"DCSHIFT_TEST_POSTGRES_{side}") for side in ("SOURCE", "TARGET")]
    if all(named):
        return Path(str(named[0])), Path(str(named[1]))
    debian = Path("/usr/lib/postgresql")
    found = sorted((int(p.name), p / "bin") for p in debian.glob("*") if (p / "bin/initdb").exists())
    return (found[0][1], found[-1][1]) if found else None


@dataclass
class Server:
    """One running server."""

    folder: Path
    binaries: Path
    port: int

    def endpoint(self, database: str, user: str) -> Endpoint:
        return Endpoint(
            host="127.0.0.1",
            port=self.port,
            database=database,
            user=user,
            password=SecretStr(PASSWORD),
            tls_mode="disable",
        )

    def admin(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.endpoint(database, user).conninfo(application_name="test"), autocommit=True)

    def psql(self, database: str, file: Path, **variables: str) -> None:
        endpoint = self.endpoint(database, "postgres")
        line = self.folder.parent / f"pass-{self.port}"
        line.touch(mode=0o600)
        line.write_text(endpoint.pass_line())
        words = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        argv = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *words, "-f", str(file)]
        subprocess.run(argv, env=endpoint.environment(line), check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            password = self.folder / "password"
            password.write_text(PASSWORD)
            subprocess.run(["chown", "-R", "postgres", self.folder], check=True)
            self._as_postgres(
                "initdb",
                "-D",
                data,
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-A",
                "scram-sha-256",
                "--pwfile",
                password,
                "-N",
            )
            settings = "listen_addresses='127.0.0.1'\nunix_socket_directories=''\nwal_level=logical\n"
            settings += "max_wal_senders=10\nmax_replication_slots=10\nfsync=off\nshared_buffers=128MB\n"
            settings += "max_wal_size=2GB\nautovacuum_naptime=10s\n"
            settings += "ssl=on\nssl_cert_file='server.crt'\nssl_key_file='server.key'\n"
            certificates(self.folder.parent, data)
            with (data / "postgresql.auto.conf").open("a") as file:
                file.write(settings)
            with (data / "pg_hba.conf").open("w") as file:
                file.write("host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n")
        log = (self.folder / "log").open("ab")
        argv = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "INT"]
        argv += [str(self.binaries / "postgres"), "-D", str(data), "-p", str(self.port)]
        self.process = subprocess.Popen(
            argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", env=_environment()
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.admin().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.1)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def _as_postgres(self, program: str, *words: object) -> None:
        argv = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        argv += [str(self.binaries / program), *map(str, words)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd="/", env=_environment())


def _environment() -> dict[str, str]:
    # A subscriber looks for certificates in its user's home: not in that of whoever runs the tests.
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def certificates(shared: Path, data: Path) -> None:
    """Give a server a certificate of the test's own authority, `shared/ca.pem`, made on first use."""
    key_file, authority = shared / "ca.key", shared / "ca.pem"
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject: str, public: object, signer: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]):
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        built = x509.CertificateBuilder().issuer_name(issuer).public_key(public)
        built = built.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        built = built.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        else:
            built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return built.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
        plain = serialization.NoEncryption()
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)

    if not key_file.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        key_file.write_bytes(pem(made))
        authority.write_bytes(certificate("test authority", made.public_key(), made, []))
    signer = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    own = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(TARGET_NAME)]
    (data / "server.crt").write_bytes(certificate("server", own.public_key(), signer, names))
    (data / "server.key").write_bytes(pem(own))
    (data / "server.key").chmod(0o600)
    subprocess.run(["chown", "postgres", data / "server.crt", data / "server.key"], check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pair(folder: Path) -> tuple[Server, Server]:
    """Start a source and a target."""
    found = binaries()
    assert found is not None
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    source, target = Server(folder / "source", found[0], free_port()), Server(folder / "target", found[1], free_port())
    source.start()
    target.start()
    return source, target


def quoted_password() -> str:
    return "'" + PASSWORD.replace("'", "''") + "'"


def new_databases(source: Server, target: Server, database: str, sample: str) -> None:
    """Make the database on both sides, filled by `sample` at the source, as the playbook and the cluster make them."""
    for server in (source, target):
        with server.admin() as admin:
            _drop(server, admin, database)
            for role in (database, "reader"):
                if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                    admin.execute(f'CREATE ROLE "{role}" LOGIN PASSWORD {quoted_password()}')
            admin.execute(f'CREATE DATABASE "{database}" OWNER "{database}" TEMPLATE template0')
    with source.admin() as admin:
        admin.execute(f"DROP ROLE IF EXISTS dcshift_{database}")
    with target.admin() as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'dcshift_migration'").fetchone():
            admin.execute(f"CREATE ROLE dcshift_migration LOGIN REPLICATION PASSWORD {quoted_password()}")
        admin.execute(f'GRANT "{database}" TO dcshift_migration')
        if target_major(target) >= 16:
            admin.execute("GRANT pg_create_subscription TO dcshift_migration")
        else:
            admin.execute("ALTER ROLE dcshift_migration SUPERUSER")
    with source.admin(database) as admin:
        admin.execute(sample.encode())


def install(source: Server, database: str, role: str, password: str) -> None:
    """Do what the playbook `prepare` does on the source."""
    with source.admin() as admin:
        word = psycopg.sql.Literal(password).as_string(None)
        verb = "ALTER" if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() else "CREATE"
        admin.execute(f'{verb} ROLE "{role}" LOGIN REPLICATION PASSWORD {word}')
    source.psql(database, INSTALL, role=role, owner=database)


def remove(source: Server, database: str, role: str) -> None:
    """Do what the playbook `rollback` does on the source."""
    source.psql(database, REMOVE, role=role, owner=database)
    with source.admin() as admin:
        admin.execute(f'DROP ROLE IF EXISTS "{role}"')


def _drop(server: Server, admin: psycopg.Connection, database: str) -> None:
    """Drop a database with whatever an earlier test left: a subscription, a slot."""
    if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
        return
    with server.admin(database) as inside:
        query = "SELECT s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = %s"
        for (name,) in inside.execute(query, (database,)).fetchall():
            inside.execute(f'ALTER SUBSCRIPTION "{name}" DISABLE')
            inside.execute(f'ALTER SUBSCRIPTION "{name}" SET (slot_name = NONE)')
            inside.execute(f'DROP SUBSCRIPTION "{name}"')
    query = "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s"
    for name, pid in admin.execute(query, (database,)).fetchall():
        if pid is not None:
            admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
            time.sleep(0.3)
        admin.execute("SELECT pg_drop_replication_slot(%s)", (name,))
    admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def target_major(server: Server) -> int:
    with server.admin() as admin:
        return admin.info.server_version // 10000


SAMPLE = '''
CREATE EXTENSION IF NOT EXISTS pg_trgm;
SET ROLE portal;
CREATE TYPE status AS ENUM ('received', 'done');
CREATE TYPE pair AS (a integer, b text);
CREATE DOMAIN phone AS varchar(20) CHECK (VALUE ~ '^[0-9]*$');
CREATE SEQUENCE number_seq;
CREATE SEQUENCE never_called;
CREATE SEQUENCE falling INCREMENT -3 MINVALUE -100 MAXVALUE 10 START 10 CYCLE;
CREATE FUNCTION next_number() RETURNS text LANGUAGE sql AS
    $$ SELECT 'KH-' || lpad(nextval('public.number_seq')::text, 6, '0') $$;
CREATE TABLE dossier (
    id bigserial PRIMARY KEY, number text NOT NULL DEFAULT next_number(), name text NOT NULL, phone phone,
    status status NOT NULL DEFAULT 'received', fee numeric(12, 2), form jsonb NOT NULL DEFAULT '{}', tags text[],
    at timestamptz NOT NULL DEFAULT now(), weight double precision, stay interval, place point, raw bytea, gone text,
    statuses status[], duo pair,
    search text GENERATED ALWAYS AS (lower(name || ' ' || number)) STORED
);
ALTER TABLE dossier DROP COLUMN gone;
INSERT INTO dossier (name, phone, fee, form, tags, at, weight, stay, place, raw, statuses, duo)
    SELECT 'Nguyễn Văn ' || i, lpad(i::text, 10, '0'), i * 1.50, jsonb_build_object('n', i, 'đường', i || ' Trần Phú'),
        ARRAY['a', NULL, 'b' || i], timestamptz '2026-01-01' + i * interval '1 minute', i / 7.0, i * interval '1 hour',
        point(i, -i), decode(md5(i::text), 'hex'), ARRAY['done']::status[], ROW(i, 'x')::pair
    FROM generate_series(1, 20000) i;
CREATE INDEX dossier_search ON dossier USING gin (search gin_trgm_ops);
CREATE INDEX dossier_open ON dossier (at) WHERE status = 'received';
CREATE UNIQUE INDEX dossier_number ON dossier (number);
CREATE TABLE event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, dossier_id bigint NOT NULL REFERENCES dossier, note text
);
INSERT INTO event (dossier_id, note) SELECT 1 + i % 20000, 'bước ' || i FROM generate_series(1, 50000) i;
CREATE TABLE access_log (at timestamptz NOT NULL, action text NOT NULL, detail jsonb NOT NULL);
INSERT INTO access_log SELECT now(), 'đọc', jsonb_build_object('i', i % 10) FROM generate_series(1, 500) i;
CREATE TABLE unique_only (code text NOT NULL, v integer);
CREATE UNIQUE INDEX unique_only_code ON unique_only (code);
INSERT INTO unique_only VALUES ('x', 1), ('y', NULL);
CREATE TABLE month (id bigint, at date NOT NULL, v numeric, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE month_1 PARTITION OF month FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE month_2 (v numeric, at date NOT NULL, id bigint NOT NULL);
ALTER TABLE month ATTACH PARTITION month_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO month SELECT i, date '2026-01-01' + i % 59, i FROM generate_series(1, 2000) i;
CREATE TABLE base (id integer PRIMARY KEY, v text);
CREATE TABLE child (w text) INHERITS (base);
ALTER TABLE child ADD PRIMARY KEY (id);
INSERT INTO base VALUES (1, 'base');
INSERT INTO child VALUES (2, 'child', 'w');
CREATE TABLE "Hồ sơ ""cũ""" ("số" serial PRIMARY KEY, "tên đầy đủ" text);
INSERT INTO "Hồ sơ ""cũ""" ("tên đầy đủ") VALUES ('một'), (NULL), (E'tab\\t and \\\\ and \\n');
CREATE SCHEMA "Đất đai";
CREATE TABLE "Đất đai".thua (id integer PRIMARY KEY, ve regclass, dossier_status status);
INSERT INTO "Đất đai".thua VALUES (1, 'dossier', 'done');
CREATE UNLOGGED TABLE scratch (id integer PRIMARY KEY);
INSERT INTO scratch SELECT generate_series(1, 10);
CREATE TABLE no_columns ();
CREATE TABLE counted (id integer PRIMARY KEY, n integer NOT NULL DEFAULT 0);
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.n := NEW.n + 1; RETURN NEW; END $$;
CREATE TRIGGER bump BEFORE INSERT ON counted FOR EACH ROW EXECUTE FUNCTION bump();
CREATE TRIGGER asleep BEFORE UPDATE ON counted FOR EACH ROW EXECUTE FUNCTION bump();
ALTER TABLE counted DISABLE TRIGGER asleep;
INSERT INTO counted VALUES (1, 0), (2, 5);
ALTER TABLE event ADD CONSTRAINT note_short CHECK (length(note) < 5) NOT VALID;
CREATE VIEW open_dossiers AS SELECT id, number FROM dossier WHERE status = 'received';
CREATE MATERIALIZED VIEW statistics AS SELECT status, count(*) AS n, sum(fee) AS fees FROM dossier GROUP BY status;
CREATE UNIQUE INDEX statistics_key ON statistics (status);
CREATE MATERIALIZED VIEW statistics_2 AS SELECT sum(n) AS n FROM statistics;
CREATE MATERIALIZED VIEW empty_view AS SELECT 1 AS one WITH NO DATA;
GRANT SELECT ON dossier TO reader;
GRANT SELECT (note), UPDATE (note) ON event TO reader;
COMMENT ON TABLE dossier IS 'Hồ sơ';
SELECT setval('falling', -20);
SELECT lo_from_bytea(100000 + i, decode(repeat(md5(i::text), 200 * (1 + i % 7)), 'hex')) FROM generate_series(1, 40) i;
SELECT lo_create(200001);
SELECT lo_put(lo_create(200002), 100000, 'sparse');
GRANT SELECT ON LARGE OBJECT 100001 TO reader;
RESET ROLE;
GRANT CONNECT ON DATABASE portal TO reader;
ALTER DATABASE portal SET search_path = public, "Đất đai";
ALTER ROLE portal IN DATABASE portal SET statement_timeout = '40s';
'''
