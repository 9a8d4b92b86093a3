"""A database of what servers of different majors keep, name or print differently; each line says since when."""

from __future__ import annotations

from tests.support.hard_schema import SCHEMA
from tests.support.hard_values import KINDS, TABLE, TYPES
from tests.support.local_servers import SAMPLE

LONG = "Sổ theo dõi hồ sơ một cửa liên thông cấp xã 2026"
"""A name of 63 bytes, the longest there is."""

_LATER = f"""
SET ROLE portal;
{TYPES}{TABLE}
INSERT INTO truth.kinds VALUES (0, {", ".join(kind.other for kind in KINDS.values())});

-- 14 makes a multirange type and its functions beside each range, which dumps of before do not name.
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE TYPE gap AS RANGE (subtype = numeric);
CREATE TABLE stay (id integer PRIMARY KEY, s span, many span[], days daterange NOT NULL, name text,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(name, ''))) STORED);
INSERT INTO stay VALUES (1, '[1.0,2)', '{{"[1.0,2)","[1.00,2)"}}', '[2026-01-01,2026-02-01)', 'Nguyễn Văn A'),
    (2, 'empty', NULL, '(,)', NULL);

-- 14 writes `IN` before the arguments of a procedure.
CREATE PROCEDURE close_day(day date, INOUT closed integer DEFAULT 0) LANGUAGE plpgsql AS 'BEGIN closed := 1; END';
GRANT EXECUTE ON PROCEDURE close_day(date, integer) TO reader;
REVOKE EXECUTE ON FUNCTION next_number() FROM PUBLIC;
CREATE AGGREGATE product(numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1.0');

-- Before 15 what partitions have of their root's triggers counts as internal. One of them sleeps.
CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER after_month AFTER INSERT ON month FOR EACH ROW EXECUTE FUNCTION seen();
CREATE CONSTRAINT TRIGGER at_the_end AFTER UPDATE ON counted DEFERRABLE FOR EACH ROW EXECUTE FUNCTION seen();

-- 17 gives partitions their root's identity. A reference to a partitioned table has constraints for its partitions.
CREATE TABLE paper (id bigint GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 7), at date NOT NULL, dossier_id bigint
    REFERENCES dossier, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE paper_1 PARTITION OF paper FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE paper_2 PARTITION OF paper DEFAULT;
INSERT INTO paper (at, dossier_id) SELECT date '2026-01-01' + i, 1 + i FROM generate_series(0, 99) i;
CREATE TABLE receipt (id smallserial PRIMARY KEY, paper_id bigint, paper_at date,
    FOREIGN KEY (paper_id, paper_at) REFERENCES paper ON DELETE CASCADE);
INSERT INTO receipt (paper_id, paper_at) SELECT id, at FROM paper LIMIT 50;
CREATE TABLE spread (id integer PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE spread_0 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE spread_1 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO spread SELECT generate_series(1, 100);

-- 18 makes a constraint of each NOT NULL and would call it like this one.
CREATE TABLE named (id integer PRIMARY KEY, name text NOT NULL, CONSTRAINT named_name_not_null CHECK (name <> ''));
INSERT INTO named VALUES (1, 'a');
ALTER TABLE child ALTER w SET NOT NULL;
CREATE DOMAIN needed AS text NOT NULL CHECK (VALUE <> '');
CREATE TABLE "{LONG}" ("{LONG}" needed PRIMARY KEY, "số ""thứ"" tự" serial);
INSERT INTO "{LONG}" VALUES ('một'), ('hai');
CREATE INDEX ON "{LONG}" (lower("{LONG}"));

CREATE SEQUENCE small_at_its_end AS smallint MAXVALUE 32767 CACHE 5;
SELECT setval('small_at_its_end', 32767);
-- 17 knows a right more (MAINTAIN), which ALL means there.
GRANT ALL ON stay TO reader WITH GRANT OPTION;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO reader;
REVOKE USAGE ON TYPE span FROM PUBLIC;
GRANT USAGE ON SCHEMA truth TO reader;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA truth GRANT SELECT ON SEQUENCES TO reader;
RESET ROLE;
ALTER TABLE month_2 DISABLE TRIGGER after_month;  -- a superuser's to do before 15
"""

# From 14 on a function may have a body that SQL has read already; from 15 on NULLs may count as equal.
_SINCE_15 = """
SET ROLE portal;
CREATE FUNCTION fee_of(dossier_id bigint) RETURNS numeric STABLE BEGIN ATOMIC
    SELECT d.fee * 1.10 FROM dossier d WHERE d.id = dossier_id; END;
CREATE TABLE once (id integer PRIMARY KEY, v integer UNIQUE NULLS NOT DISTINCT, n numeric DEFAULT 'Infinity');
INSERT INTO once VALUES (1, NULL), (2, 1);
CREATE VIEW careful WITH (security_invoker = true) AS SELECT id FROM once;
RESET ROLE;
"""


_COLUMNS = ", ".join(KINDS)
CHANGES = f"""
UPDATE truth.kinds SET ({_COLUMNS}) = (SELECT {_COLUMNS} FROM truth.kinds WHERE id = 0) WHERE id IN (2, 3);
INSERT INTO truth.kinds ({_COLUMNS}, id) SELECT {_COLUMNS}, 100 FROM truth.kinds WHERE id = 1;
INSERT INTO paper (at, dossier_id) VALUES ('2026-01-15', 3), ('2027-01-01', 4);
UPDATE paper SET at = '2026-01-02' WHERE id = 7 * 60;
DELETE FROM spread WHERE id % 10 = 0;
INSERT INTO spread VALUES (1000);
UPDATE stay SET s = '[3.00,4)', many = '{{"(,1.50)"}}', name = 'Trần Thị B' WHERE id = 2;
INSERT INTO "{LONG}" VALUES ('ba');
UPDATE "{LONG}" SET "{LONG}" = 'bốn' WHERE "{LONG}" = 'hai';
INSERT INTO month VALUES (9001, '2026-01-31', 1.0), (9002, '2026-02-28', 1.00);
DELETE FROM "Đất đai".thua;
TRUNCATE named;
SELECT lo_put(100003, 9, 'changed'), lo_unlink(100004), lo_from_bytea(100900, 'new');
GRANT SELECT ON LARGE OBJECT 100900 TO reader;
SELECT nextval('never_called'), nextval('falling');
INSERT INTO scratch VALUES (77);
"""
"""What is written at the source while the target follows, and what no stream carries."""


PLANTS = {
    "UPDATE truth.kinds SET numeric_scale = 1.0 WHERE id = 2": "table truth.kinds: row with key hash",
    "UPDATE stay SET many = NULL WHERE id = 1": "table public.stay: row with key hash",
    "ALTER TABLE month_2 ENABLE TRIGGER after_month": "trigger public.month_2.after_month: source has",
    "ALTER TABLE counted DISABLE TRIGGER at_the_end": "trigger public.counted.at_the_end: source has",
    "CREATE OR REPLACE PROCEDURE close_day(day date, INOUT closed integer DEFAULT 2) LANGUAGE plpgsql AS"
    " 'BEGIN closed := 1; END'": "function public.close_day(date, integer): source has",
    "REVOKE EXECUTE ON PROCEDURE close_day FROM reader": "rights on function public.close_day(date, integer): missing",
    "DROP AGGREGATE product(numeric); CREATE AGGREGATE product(numeric)"
    " (sfunc = numeric_mul, stype = numeric, initcond = '1')": "function public.product(numeric): source has",
    "DROP TYPE gap; CREATE TYPE gap AS RANGE (subtype = bigint)": "type public.gap: source has",
    "ALTER TABLE paper ALTER id SET GENERATED BY DEFAULT": "column public.paper.id: source has",
    "ALTER TABLE receipt DROP CONSTRAINT receipt_paper_id_paper_at_fkey, ADD FOREIGN KEY (paper_id, paper_at)"
    " REFERENCES paper": "constraint public.receipt.receipt_paper_id_paper_at_fkey: source has",
    "ALTER TABLE named ALTER name DROP NOT NULL": "column public.named.name: source has",
    "ALTER TABLE named DROP CONSTRAINT named_name_not_null": "constraint public.named.named_name_not_null: missing",
    "ALTER DOMAIN needed DROP NOT NULL": "type public.needed: source has",
    "SELECT setval('small_at_its_end', 32766)": "sequence public.small_at_its_end: source is at 32767",
    "REVOKE GRANT OPTION FOR SELECT ON stay FROM reader": "rights on relation public.stay: source has",
    "ALTER DEFAULT PRIVILEGES REVOKE DELETE ON TABLES FROM reader": "rights on default the owner r: missing on the"
    " target (reader may DELETE",
    "SELECT lo_put(100900, 0, 'N')": "large object 100900: source has",
}
"""What is changed on the target, one thing at a time, and how the proofs call it."""
SINCE_15_PLANTS = {
    "CREATE OR REPLACE FUNCTION fee_of(dossier_id bigint) RETURNS numeric STABLE BEGIN ATOMIC"
    " SELECT d.fee * 1.20 FROM dossier d WHERE d.id = dossier_id; END": "function public.fee_of(bigint): source has",
    "ALTER VIEW careful RESET (security_invoker)": "relation public.careful: source has",
}


# As hard with a tenth of the rows, in a tenth of the time.
_FEW = SAMPLE.replace("(1, 20000)", "(1, 2000)").replace("% 20000", "% 2000").replace("(1, 50000)", "(1, 5000)")


def sample(major: int) -> str:
    """Return everything hard that a server of this major can hold."""
    return _FEW + SCHEMA + _LATER + (_SINCE_15 if major >= 15 else "")
