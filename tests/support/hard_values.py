"""Values that SQL calls equal to others, or that are easily taken for them; one column of `truth.kinds` for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A type of column, a value, and another one that is easily taken for it."""

    type: str
    value: str
    other: str


KINDS = {
    "numeric_scale": Kind("numeric", "1.0", "1.00"),
    "numeric_last_digit": Kind("numeric(30,10)", "1.0000000000", "1.0000000001"),
    "numeric_nan": Kind("numeric", "'NaN'", "NULL"),
    "float_zero": Kind("double precision", "0", "'-0'"),
    "float_last_bit": Kind("double precision", "0.1", "0.1::float8 + 1.4e-17"),
    "float_infinity": Kind("double precision", "'Infinity'", "'-Infinity'"),
    "real_zero": Kind("real", "0", "'-0'"),
    "json_form": Kind("json", """'{"a":1}'""", """'{"a": 1}'"""),
    "json_key_twice": Kind("json", """'{"a":1,"a":2}'""", """'{"a":2}'"""),
    "jsonb_number": Kind("jsonb", """'{"a": 1.0}'""", """'{"a": 1.00}'"""),
    "jsonb_null": Kind("jsonb", "'null'", "NULL"),
    "null_for_empty": Kind("text", "''", "NULL"),
    "trailing_blank": Kind("text", "'a'", "'a '"),
    "varchar_blank": Kind("varchar(9)", "'a'", "'a '"),
    "padded_blank": Kind("bpchar", "'a'", "'a '"),
    "letter_case": Kind("text", "'Đơn'", "'đơn'"),
    "composed": Kind("text", r"U&'\0110\01A1n'", r"U&'\0110o\031Bn'"),
    "nondeterministic": Kind("text COLLATE truth.loose", "'Hồ sơ'", "'HỒ SƠ'"),
    "name_cut": Kind("name", "'a'", "'a '"),
    "one_char": Kind('"char"', "'a'", "'b'"),
    "array_dimensions": Kind("integer[]", "'{1,2,3,4}'", "'{{1,2},{3,4}}'"),
    "array_bounds": Kind("integer[]", "'{1,2}'", "'[0:1]={1,2}'"),
    "array_empty": Kind("text[]", "'{}'", """'{""}'"""),
    "array_null": Kind("text[]", "'{NULL}'", """'{"NULL"}'"""),
    "array_scale": Kind("numeric[]", "'{1.0}'", "'{1.00}'"),
    "array_blank": Kind("bpchar[]", "'{a}'", """'{"a "}'"""),
    "array_zero": Kind("double precision[]", "'{0}'", "'{-0}'"),
    "interval_form": Kind("interval", "'1 day'", "'24 hours'"),
    "interval_month": Kind("interval", "'1 month'", "'30 days'"),
    "enum_label": Kind("truth.status", "'new'", "'paid'"),
    "enum_array": Kind("truth.status[]", "'{new,paid}'", "'{paid,new}'"),
    "domain_scale": Kind("truth.money_vnd", "1.0", "1.00"),
    "composite_scale": Kind("truth.pair", "ROW(1.0, 'a')", "ROW(1.00, 'a')"),
    "composite_null": Kind("truth.pair", "ROW(NULL, NULL)", "NULL"),
    "range_scale": Kind("numrange", "'[1.0,2)'", "'[1.00,2)'"),
    "range_bound": Kind("numrange", "'[1,2)'", "'[1,2]'"),
    "timestamp_microsecond": Kind("timestamp", "'2026-01-01 00:00'", "'2026-01-01 00:00:00.000001'"),
    "instant": Kind("timestamptz", "'2026-01-01 00:00+07'", "'2026-01-01 00:00+00'"),
    "instant_infinite": Kind("timestamptz", "'infinity'", "NULL"),
    "time_zone": Kind("timetz", "'10:00+07'", "'03:00+00'"),
    "time_of_day": Kind("time", "'23:59:59'", "'23:59:59.000001'"),
    "day": Kind("date", "'2026-11-30'", "'2026-12-01'"),
    "day_before_christ": Kind("date", "'0001-01-01 BC'", "'0001-01-01'"),
    "bytea_bit": Kind("bytea", r"'\x0001ff'", r"'\x0000ff'"),
    "bytea_null": Kind("bytea", r"'\x'", "NULL"),
    "bits_length": Kind("bit varying", "B'10'", "B'100'"),
    "network_mask": Kind("inet", "'10.0.0.1/8'", "'10.0.0.1'"),
    "point_zero": Kind("point", "'(0,0)'", "'(-0,0)'"),
    "search_weight": Kind("tsvector", "'a:1A'", "'a:1B'"),
    "xml_space": Kind("xml", "'<a/>'", "'<a />'"),
    "uuid_bit": Kind("uuid", "'00000000-0000-0000-0000-000000000000'", "NULL"),
    "bool_null": Kind("boolean", "false", "NULL"),
    "zero_null": Kind("integer", "0", "NULL"),
    "small": Kind("smallint", "-1", "1"),
    "big": Kind("bigint", "9223372036854775807", "-9223372036854775808"),
    "object_number": Kind("oid", "0", "4294967295"),
}
TYPES = """
CREATE SCHEMA truth; GRANT ALL ON SCHEMA truth TO portal;
CREATE COLLATION truth.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE truth.status AS ENUM ('new', 'paid');
CREATE DOMAIN truth.money_vnd AS numeric;
CREATE TYPE truth.pair AS (amount numeric, name text);
"""
TABLE = f"""
CREATE TABLE truth.kinds (id integer PRIMARY KEY, {", ".join(f"{name} {kind.type}" for name, kind in KINDS.items())});
INSERT INTO truth.kinds VALUES (1, {", ".join(kind.value for kind in KINDS.values())});
INSERT INTO truth.kinds SELECT g FROM generate_series(2, 40) g;
"""
