"""Definitions that servers print in different words, or otherwise once they were printed and read again."""

SCHEMA = r"""
SET ROLE portal;
CREATE SCHEMA other;
CREATE DOMAIN code AS varchar(20) DEFAULT 'a.b' CHECK (VALUE IN ('a.b', 'c.d', 'e''f'));
CREATE TABLE other.kind (id integer PRIMARY KEY);
CREATE TABLE kind (id integer PRIMARY KEY);
CREATE TABLE t (
    id integer PRIMARY KEY, s varchar(10) DEFAULT 'x', n numeric(8, 2) DEFAULT 1.50, m integer DEFAULT -1,
    c code, at timestamptz DEFAULT (now() AT TIME ZONE 'utc'), day date DEFAULT '2026-01-01',
    kind integer REFERENCES other.kind, later interval DEFAULT '1 day 02:00:00', big bigint DEFAULT 1e3::bigint,
    low text GENERATED ALWAYS AS (lower(s || 'a.1')) STORED, tags text[] DEFAULT ARRAY['a', 'b']::varchar[],
    CONSTRAINT known CHECK (s IN ('in', 'out', 'x')), CONSTRAINT logic CHECK ((n > 1.25 OR m > 2) AND id > 0),
    CONSTRAINT sum CHECK ((id + m) * 2 < 1000),
    CONSTRAINT likes CHECK (s LIKE 'a%' OR s ~ '^[(]x[)]$' OR s <> ALL ('{a,b}')),
    CONSTRAINT years CHECK (n BETWEEN 0.5 AND 2.5), CHECK (extract(year FROM day) > 1900),
    EXCLUDE USING gist (int4range(id, m) WITH &&)
);
CREATE INDEX t_open ON t (lower(s), (n * 1.10)) WHERE s IN ('in', 'out') AND (n > 0.5 OR m IS NULL);
CREATE INDEX t_tax ON t ((n * 1.10));
CREATE VIEW one AS SELECT t.id, t.s || 'a.b' AS joined,
    count(*) FILTER (WHERE t.n > 1.5) OVER (PARTITION BY t.s) AS c
    FROM t WHERE t.s IN ('in', 'out') AND (t.n > 0.25 OR t.m < 3);
CREATE VIEW two AS SELECT a.id, b.id AS other, coalesce(a.s, b.s::text, 'n.a') AS s,
    CASE WHEN a.n > 1.5 THEN 'a' ELSE b.s END AS word, position('x' IN a.s), substring(a.s FROM 1 FOR 2),
    a.at AT TIME ZONE 'utc' AS u
    FROM t a JOIN t b ON a.m = b.id LEFT JOIN kind ON kind.id = a.kind
    WHERE EXISTS (SELECT FROM other.kind k WHERE k.id = a.kind) GROUP BY a.id, b.id, kind.id HAVING max(a.n) > 1.0
    UNION ALL SELECT id, id, s, s, 1, s, NULL FROM t ORDER BY 1 LIMIT 10;
CREATE MATERIALIZED VIEW three AS
    WITH RECURSIVE r(n) AS (VALUES (1) UNION SELECT n + 1 FROM r WHERE n < 9) SELECT * FROM r;
CREATE VIEW four AS
    SELECT id, t.*::text AS whole, (SELECT max(k.id) FROM other.kind k) AS m FROM t JOIN kind USING (id);
CREATE FUNCTION f(a integer DEFAULT 5, b varchar DEFAULT 'x.y') RETURNS varchar LANGUAGE sql AS 'SELECT b';
CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER moved BEFORE UPDATE OF s ON t FOR EACH ROW WHEN (OLD.s IS DISTINCT FROM NEW.s AND NEW.n > 1.5)
    EXECUTE FUNCTION changed('a.1');
CREATE POLICY mine ON t USING (s = current_user OR EXISTS (SELECT FROM kind WHERE kind.id = t.kind))
    WITH CHECK (n > 0.75);
CREATE RULE kept AS ON DELETE TO kind WHERE old.id > 1.5 DO INSTEAD INSERT INTO other.kind VALUES (old.id * 2);
CREATE STATISTICS related (dependencies) ON s, n FROM t;
CREATE TABLE parts (at date, v numeric DEFAULT 0.1) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TYPE sheet AS (a integer);
CREATE FUNCTION read(text) RETURNS sheet LANGUAGE sql IMMUTABLE AS 'SELECT ROW(1)::public.sheet';
CREATE CAST (text AS sheet) WITH FUNCTION read(text) AS ASSIGNMENT;
CREATE FUNCTION near(sheet, sheet) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR ~~~ (LEFTARG = sheet, RIGHTARG = sheet, FUNCTION = near, COMMUTATOR = ~~~, RESTRICT = neqsel);
CREATE CONVERSION bytes FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE TEXT SEARCH DICTIONARY stock (TEMPLATE = pg_catalog.simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION vi (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION vi ALTER MAPPING FOR word WITH stock, simple;
CREATE COLLATION sorted (provider = libc, locale = 'C');
COMMENT ON TABLE t IS 'Hồ sơ (cũ), don''t 1.5';
RESET ROLE;
"""
