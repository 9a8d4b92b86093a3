"""Two private PostgreSQL servers of different majors on this machine, as the tests of a database's move need them."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from lab.loopback import HOST, free_ports
from lab.postgres_server import PostgresServer, binaries
from migration.movers.link import Endpoint

TARGET_NAME = "portal-db-rw.httt-portal-data.svc.cluster.local"
PASSWORD = "pass:word\\with 'odd' signs"
_SETTINGS = {
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_prepared_transactions": "2",
    "fsync": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "10s",
    "ssl": "on",
    "ssl_cert_file": "server.crt",
    "ssl_key_file": "server.key",
}


@dataclass
class Server(PostgresServer):
    """One running server that speaks TLS with a certificate of the tests' own authority."""

    password: str = PASSWORD
    settings: Mapping[str, str] = field(default_factory=lambda: _SETTINGS)

    def create(self, data: Path) -> None:
        super().create(data)
        certificates(self.folder.parent, data)

    def endpoint(self, database: str, user: str) -> Endpoint:
        password = SecretStr(PASSWORD)
        return Endpoint(host=HOST, port=self.port, database=database, user=user, password=password, tls_mode="disable")


def certificates(shared: Path, data: Path, owner: str | None = "postgres") -> None:
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
    if owner:
        subprocess.run(["chown", owner, data / "server.crt", data / "server.key"], check=True)


def pair(folder: Path) -> tuple[Server, Server]:
    """Start a source and a target."""
    found = binaries()
    assert found is not None
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    ports = free_ports(2)
    source, target = Server(folder / "source", found[0], ports[0]), Server(folder / "target", found[1], ports[1])
    source.start()
    target.start()
    return source, target


def new_databases(source: Server, target: Server, database: str, sample: str) -> None:
    """Make the database on both sides, filled by `sample` at the source, as the playbook and the cluster make them."""
    for server in (source, target):
        server.database(database)
        server.role("reader")
    with source.admin() as admin:
        admin.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(f"dcshift_{database}")))
    target.let_in(database)
    with source.admin(database) as admin:
        admin.execute(sample.encode())


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
