"""Proves that every row of every table is the same on both sides; a difference is named by the hash of its key.

Values are citizens' data: they are read and said only for a person who asks for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from migration.model.words import Json, Proof
from migration.verification.hashing import CANARIES, Column, row_hash
from migration.verification.pace import Pace
from migration.verification.session import DIFFERENCES_MAX, Moment, Side

_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname), c.relkind::text, c.relpersistence::text, c.relispopulated,
    pg_relation_size(c.oid),
    coalesce((SELECT json_agg(json_build_array(quote_ident(a.attname), format_type(a.atttypid, NULL),
            a.attnotnull, coalesce(a.attnum = ANY (i.indkey), false)) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
    CASE WHEN c.relkind = 'm' THEN pg_get_viewdef(c.oid) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind IN ('r', 'm') AND c.relpersistence IN ('p', 'u')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')
ORDER BY 5 DESC, 1
"""
_BUCKETS = 1024
_ROWS_NAMED_MAX = 5
_VALUE_CHARACTERS_MAX = 200
Between = Callable[[int], object]


def _at_once(_: int) -> None:
    """Wait for nothing."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or one materialised view, as the source's catalogue describes it."""

    name: str
    view: bool
    unlogged: bool
    populated: bool
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    definition: str | None
    size_bytes: int
    """Of its rows on disk, without what lies outside of them."""

    def total(self, side: str, *, digest: bool) -> str:
        """Return the query of (rows, sum of hashes)."""
        if not self.columns:
            return f"SELECT count(*), 0 FROM {self.origin(side)}"
        return f"SELECT count(*), coalesce(sum({row_hash(self.columns, digest=digest)}), 0) FROM {self.origin(side)}"

    def origin(self, side: str) -> str:
        """Return what to read from; the measure of a view is its query."""
        if self.definition is not None and side == "source":
            return f"({self.definition.strip().rstrip(';')}) AS now"
        return f"ONLY {self.name}"


def tables(side: Side) -> list[Table]:
    """Return the tables and materialised views of one side, largest first."""
    found = []
    for name, kind, persistence, populated, size, columns, definition in side.rows(_TABLES):
        every = tuple(Column(column, type, not_null) for column, type, not_null, _ in columns)
        key = tuple(Column(column, type, not_null) for column, type, not_null, in_key in columns if in_key)
        found.append(Table(name, kind == "m", persistence == "u", populated, every, key, definition, int(size)))
    return found


def prove_rows(moment: Moment, *, values: bool = False, between: Between = _at_once) -> Proof:
    """Compare the rows of all tables; `values` says keys and values of those that differ, too.

    `between` may wait, or raise, before a table of the source is read: it is told the bytes that were read before.
    """
    found = [table for table in tables(moment.source) if not table.view and (moment.frozen or not table.unlogged)]
    return _prove(moment, found, "rows", "tables", values=values, between=between)


def prove_materialised_views(moment: Moment) -> Proof:
    """Compare what each view of the target holds with what its query gives there.

    The source's own content may be stale, so it is no measure; its tables and definitions are proved equal elsewhere,
    hence so is what their queries give.
    """
    wanted = {table.name for table in tables(moment.source) if table.view and table.populated}
    if not moment.frozen:
        sentence = f"{len(wanted)} materialised views are refreshed and compared when the source is frozen"
        return Proof("materialised-views", True, sentence, {"views": len(wanted), "compared": 0})
    there = {table.name: table for table in tables(moment.target) if table.view}
    lacking = [f"view {name}: missing on the target" for name in sorted(wanted - there.keys())]
    kept = [table for name, table in there.items() if name in wanted]
    lacking += [f"view {table.name}: not populated on the target" for table in kept if not table.populated]
    if lacking:
        # No comparison then: a view that stands on an empty one cannot even be asked.
        sentence = f"{len(lacking)} views are missing or empty"
        return Proof("materialised-views", False, sentence, {"views": len(wanted)}, tuple(lacking[:DIFFERENCES_MAX]))
    twice = Moment(moment.target, moment.target, frozen=True)
    return _prove(twice, kept, "materialised-views", "views")


def _prove(
    moment: Moment, found: list[Table], name: str, noun: str, *, values: bool = False, between: Between = _at_once
) -> Proof:
    pace = Pace()
    # Not agreeing on the canaries is no difference of the data: both servers then hash a portable digest instead.
    source_canary, target_canary = moment.both(CANARIES)
    digest = source_canary[0][:9] != target_canary[0][:9]
    if source_canary[0][9:] != target_canary[0][9:]:
        odd = [
            str(i) for i, (a, b) in enumerate(zip(source_canary[0], target_canary[0], strict=True)) if a != b and i > 8
        ]
        difference = f"text forms {', '.join(odd)} of the canary query differ between the servers"
        return Proof(name, False, "the servers write the same value differently", {}, (difference,))
    there = {table.name: table for table in tables(moment.target)}
    differences = [f"table {t.name}: missing on the target" for t in found if t.name not in there]
    if noun == "tables":
        known = {table.name for table in tables(moment.source)}
        differences += [f"table {n}: only on the target" for n in sorted(there.keys() - known)]
    compared = [table for table in found if table.name in there]
    narrower = [t for t in compared if {c.name for c in t.columns} - {c.name for c in there[t.name].columns}]
    differences += [f"table {t.name}: columns are missing on the target" for t in narrower]
    compared = [t for t in compared if t not in narrower and there[t.name].populated]
    source, target = totals(moment, compared, digest=digest, between=between)
    for table in compared:
        if source[table.name] != target[table.name]:
            differences += _narrow(moment, table, source[table.name], target[table.name], digest=digest, values=values)
    rows = sum(count for count, _ in source.values())
    figures: dict[str, Json] = {noun: len(compared), "rows": rows, "digest": "md5" if digest else "typed-64-bit"}
    figures |= pace.figures(rows, "rows")
    sentence = f"{rows:,} rows in {len(compared)} {noun} are equal on both sides"
    if differences:
        sentence = f"{len(differences)} differences in {noun}"
    return Proof(name, not differences, sentence, figures, tuple(differences[:DIFFERENCES_MAX]))


Totals = dict[str, tuple[int, int]]


def totals(
    moment: Moment, compared: list[Table], *, digest: bool, between: Between = _at_once
) -> tuple[Totals, Totals]:
    """Return (rows, sum of hashes) of each table, at the source and on the target."""
    at_once = len(moment.source.sessions)

    def before(number: int) -> None:
        # A session that begins a table has ended one before: about the one that began so many before.
        between(compared[number - at_once].size_bytes if number >= at_once else 0)

    def of(side: Side, word: str) -> Totals:
        queries = [table.total(word, digest=digest) for table in compared]
        answers = side.many(queries, before) if word == "source" else side.many(queries)
        return {t.name: (int(a[0][0]), int(a[0][1])) for t, a in zip(compared, answers, strict=True)}

    with ThreadPoolExecutor(2) as pool:
        source, target = pool.submit(of, moment.source, "source"), pool.submit(of, moment.target, "target")
        return source.result(), target.result()


def _narrow(
    moment: Moment, table: Table, source: tuple[int, int], target: tuple[int, int], *, digest: bool, values: bool
) -> list[str]:
    """Find the rows behind two different totals, by the hash of their key."""
    key = row_hash(table.key or table.columns, digest=digest) if table.columns else "0::bigint"
    whole = row_hash(table.columns, digest=digest) if table.columns else "0::bigint"
    said = [f"table {table.name}: {source[0]:,} rows at the source, {target[0]:,} on the target"] * (
        source[0] != target[0]
    )

    def ask(select: str, tail: str) -> tuple[set[tuple[int, ...]], set[tuple[int, ...]]]:
        queries = [f"SELECT {select} FROM {table.origin(side)} {tail}" for side in ("source", "target")]
        here, there = moment.source.rows(queries[0]), moment.target.rows(queries[1])
        return {tuple(map(int, row)) for row in here}, {tuple(map(int, row)) for row in there}

    bucket = f"(({key}) & {_BUCKETS - 1})"
    here, there = ask(f"{bucket}, count(*), sum({whole})", "GROUP BY 1")
    odd = sorted({row[0] for row in here ^ there})[:8]
    if not odd:
        return said or [f"table {table.name}: totals differed once and agree now"]
    within = ", ".join(map(str, odd))
    # As (key hash, row hash, how often): equal rows of a table without a key are told apart by their number.
    here, there = ask(f"{key}, {whole}, count(*)", f"WHERE {bucket} IN ({within}) GROUP BY 1, 2")
    keys_here, keys_there = Counter(r[0] for r in here - there), Counter(r[0] for r in there - here)
    for one in sorted(keys_here.keys() | keys_there.keys())[:_ROWS_NAMED_MAX]:
        what = "differs" if one in keys_here and one in keys_there else "missing on the target"
        what = "only on the target" if one not in keys_here else what
        differing = _columns(moment, table, key, one, digest=digest) if what == "differs" else ()
        columns = f" in {', '.join(differing)}" if differing else ""
        said.append(f"table {table.name}: row with key hash {one & (2**64 - 1):016x} {what}{columns}")
        said += _values(moment, table, f"{key} = {one}", differing) if values else ()
    more = len(keys_here.keys() | keys_there.keys()) - _ROWS_NAMED_MAX
    return [*said, f"table {table.name}: and {more} more rows"] if more > 0 else said


def _columns(moment: Moment, table: Table, key: str, one: int, *, digest: bool) -> tuple[str, ...]:
    if not table.key:
        return ()
    hashes = ", ".join(row_hash((column,), digest=digest) for column in table.columns)
    answers = [
        side.rows(f"SELECT {hashes} FROM {table.origin(word)} WHERE {key} = {one}")
        for side, word in ((moment.source, "source"), (moment.target, "target"))
    ]
    if len(answers[0]) != 1 or len(answers[1]) != 1:
        return ()
    return tuple(c.name for c, a, b in zip(table.columns, answers[0][0], answers[1][0], strict=True) if a != b)


def _values(moment: Moment, table: Table, which: str, differing: tuple[str, ...]) -> list[str]:
    """Say key and differing columns of a row on each side; the whole row where no column is known to differ."""
    keys, every = [column.name for column in table.key], [column.name for column in table.columns]
    names = [*keys, *differing] if differing else every
    select, said = ", ".join(f"{name}::text" for name in names), []
    for side, word in ((moment.source, "source"), (moment.target, "target")):
        for row in side.rows(f"SELECT {select} FROM {table.origin(word)} WHERE {which} LIMIT 1"):
            values = ("NULL" if value is None else repr(value[:_VALUE_CHARACTERS_MAX]) for value in row)
            said.append(f"    {word}: {', '.join(f'{n} = {v}' for n, v in zip(names, values, strict=True))}")
    return said
