"""The data that is moved: SQL of a database and a tree of files, of any size and always the same shapes; no servers.

The shapes are those that movers are measured with: a narrow table of most rows, wide rows with expensive indexes, big
values, a chain of foreign keys, partitions, large objects, a materialised view, names that need quotes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Final

DATABASE: Final = "bench"
"""Name of the database, and of the role that owns it."""
LONGEST: Final = "accounts"
"""The table with most rows, and its key."""
LONGEST_KEY: Final = "aid"
_SMALL_SHARE, _SMALL_BYTES, _SPREAD = 0.1, 10_000, 1.5
_BIG_SHARES: Final = (1, 2, 3, 4, 5)

# Rows of each kind in a database of two gigabytes.
_ROWS: Final = {
    "accounts": 5_000_000,
    "documents": 300_000,
    "scans": 3_000,
    "persons": 100_000,
    "dossiers": 500_000,
    "items": 1_500_000,
    "events": 1_500_000,
    "history": 50_000,
    "objects": 500,
}
_FULL_BYTES: Final = 2_000_000_000
_SQL: Final = """
CREATE TYPE status AS ENUM ('received', 'checked', 'done');
CREATE DOMAIN phone AS varchar(20) CHECK (VALUE ~ '^[0-9]*$$');
CREATE SCHEMA "Đất đai";
CREATE TABLE "Đất đai"."Hồ sơ cũ" ("số" serial PRIMARY KEY, "tên đầy đủ" text);
INSERT INTO "Đất đai"."Hồ sơ cũ" ("tên đầy đủ") VALUES ('một'), (NULL), (E'tab\\t and \\\\ and \\n');

CREATE TABLE persons (id integer PRIMARY KEY, name text NOT NULL, phone phone);
INSERT INTO persons SELECT i, 'Nguyễn Văn ' || i, lpad(i::text, 10, '0') FROM generate_series(1, $persons) i;
CREATE TABLE dossiers (
    id bigserial, person integer NOT NULL, status status NOT NULL, code uuid NOT NULL, at timestamptz NOT NULL
);
INSERT INTO dossiers (person, status, code, at)
    SELECT 1 + i % $persons, (ARRAY['received', 'checked', 'done']::status[])[1 + i % 3], md5(i::text)::uuid,
        timestamptz '2026-01-01' + i * interval '1 minute' FROM generate_series(1, $dossiers) i;
ALTER TABLE dossiers ADD PRIMARY KEY (id), ADD UNIQUE (code), ADD FOREIGN KEY (person) REFERENCES persons;
CREATE INDEX dossiers_open ON dossiers (at) WHERE status = 'received';
CREATE INDEX dossiers_person ON dossiers (person);
CREATE TABLE items (id bigserial, dossier bigint NOT NULL, amount numeric(12, 2), note text);
INSERT INTO items (dossier, amount, note) SELECT 1 + i % $dossiers, i * 0.25, 'bước ' || i % 40
    FROM generate_series(1, $items) i;
ALTER TABLE items ADD PRIMARY KEY (id), ADD FOREIGN KEY (dossier) REFERENCES dossiers;
CREATE INDEX items_dossier ON items (dossier);
CREATE MATERIALIZED VIEW counted AS SELECT status, count(*) AS dossiers FROM dossiers GROUP BY status;

CREATE TABLE documents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, body text NOT NULL, form jsonb NOT NULL,
    tags text[], fee numeric(12, 2), search text GENERATED ALWAYS AS (lower(title || ' ' || left(body, 40))) STORED
);
INSERT INTO documents (title, body, form, tags, fee)
    SELECT 'Hồ sơ số ' || i, md5(i::text) || ' ' || repeat(md5((i * 7)::text) || ' ', 8),
        jsonb_build_object('n', i, 'đường', i % 900 || ' Trần Phú', 'kind', md5((i % 5000)::text)),
        ARRAY['a' || i % 50, NULL, md5((i % 2000)::text)], i * 1.50
    FROM generate_series(1, $documents) i;
CREATE INDEX documents_search ON documents USING gin (search gin_trgm_ops);
CREATE INDEX documents_form ON documents USING gin (form jsonb_path_ops);

CREATE TABLE accounts (aid integer NOT NULL, bid integer NOT NULL, abalance integer NOT NULL, filler char(84));
INSERT INTO accounts SELECT i, i / 100000, i % 1000, '' FROM generate_series(1, $accounts) i;
ALTER TABLE accounts ADD PRIMARY KEY (aid);
CREATE TABLE history (at timestamptz NOT NULL, aid integer NOT NULL, delta integer, mark text);
INSERT INTO history SELECT timestamptz '2026-01-01' + i * interval '1 second', i, i % 97, NULL
    FROM generate_series(1, $history) i;

CREATE TABLE events (
    id bigint NOT NULL, at date NOT NULL, actor text NOT NULL, weight double precision, PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
$partitions
INSERT INTO events SELECT i, date '2026-01-01' + i % 365, 'cán bộ ' || i % 300, i / 7.0
    FROM generate_series(1, $events) i;
CREATE INDEX events_at ON events (at);

CREATE TABLE scans (id integer PRIMARY KEY, content bytea NOT NULL);
ALTER TABLE scans ALTER content SET STORAGE EXTERNAL;
INSERT INTO scans SELECT i, decode(repeat(md5(i::text), 3875), 'hex') FROM generate_series(1, $scans) i;

SELECT lo_from_bytea(100000 + i, (SELECT string_agg(sha512(convert_to(i || '-' || j, 'UTF8')), ''::bytea)
    FROM generate_series(1, 3780) j)) FROM generate_series(1, $objects) i;
"""


def chapters(size_bytes: int) -> list[list[str]]:
    """Return the SQL that fills a database with about so many bytes, run by its owner.

    The first chapter comes first; the others need nothing of one another, those that take longest before the others.
    """
    rows = {name: max(3, count * size_bytes // _FULL_BYTES) for name, count in _ROWS.items()}
    months = [f"2026-{month:02}-01" for month in range(1, 13)] + ["2027-01-01"]
    partitions = "\n".join(
        f"CREATE TABLE events_{number} PARTITION OF events FOR VALUES FROM ('{begin}') TO ('{end}');"
        for number, (begin, end) in enumerate(pairwise(months), 1)
    )
    text = Template(_SQL).substitute({**rows, "partitions": partitions})
    return [
        [statement.strip() for statement in chapter.split(";\n") if statement.strip()] for chapter in text.split("\n\n")
    ]


@dataclass(frozen=True, slots=True)
class Tree:
    """The files to write: path below the tree, and bytes."""

    sizes: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


def tree(size_bytes: int) -> Tree:
    """Return many small files, log-normal, and five big ones, of about so many bytes together."""
    chance = random.Random(7)  # noqa: S311  the same sizes each time; nothing is secret
    small = max(20, int(size_bytes * _SMALL_SHARE / _SMALL_BYTES))
    # The mean of a log-normal distribution is exp(mu + spread²/2); that of these is _SMALL_BYTES.
    mu = 9.21 - _SPREAD**2 / 2
    sizes = {
        f"{number % 100:02}/tep-{number}.pdf": min(int(chance.lognormvariate(mu, _SPREAD)), 5_000_000)
        for number in range(small)
    }
    left = max(size_bytes - sum(sizes.values()), 0)
    return Tree(sizes | {f"big/{share}.bin": left * share // sum(_BIG_SHARES) for share in _BIG_SHARES})


def write(files: Tree, folder: Path) -> None:
    """Write the tree; its content does not compress and is the same each time."""
    chance = random.Random(11)  # noqa: S311  as above
    for name, size in files.sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start in range(0, size, 1 << 20):
                file.write(chance.randbytes(min(1 << 20, size - start)))
