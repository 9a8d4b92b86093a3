"""Proves that both databases are built alike: tables, constraints, indexes, triggers, views, functions, types.

Each question returns lines `object | description`; `definitions` says when two of them are one.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Sequence

from migration.model.words import Facts, Proof
from migration.verification.definitions import Tokens, alike, tokens
from migration.verification.session import DIFFERENCES_MAX, Moment, between

OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname !~ '^pg_(toast|temp)'"


def not_of_extension(catalogue: str, oid: str) -> str:
    """Return the condition that an object does not belong to an extension."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalogue}'::regclass AND d.objid = {oid}"
        " AND d.deptype = 'e')"
    )


# Not by its arguments as the server writes them: from 14 on it writes `IN` before those of a procedure.
FUNCTION = "format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes))"
# A range's constructors come with its type, and from 14 on those of a multirange beside it: nobody wrote them.
OUR_FUNCTIONS = f"""{OURS} AND {not_of_extension("pg_proc", "p.oid")} AND NOT EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')"""
_IN_CLASS = f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS} AND {not_of_extension('pg_class', 'c.oid')}"
_NAME = "format('%I.%I', n.nspname, c.relname)"

# What a server is born with has lower numbers. Multiranges come with casts of their own, from 14 on.
CASTS = """
    SELECT k.oid, format('%I.%I to %I.%I', fn.nspname, f.typname, tn.nspname, t.typname) || ' | '
        || concat_ws(' ', k.castmethod, k.castcontext, (SELECT format('%I.%I', n.nspname, p.proname) FROM pg_proc p
            JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = k.castfunc))
    FROM pg_cast k JOIN pg_type f ON f.oid = k.castsource JOIN pg_namespace fn ON fn.oid = f.typnamespace
    JOIN pg_type t ON t.oid = k.casttarget JOIN pg_namespace tn ON tn.oid = t.typnamespace
    WHERE k.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_cast'::regclass AND d.objid = k.oid AND d.deptype IN ('e', 'i'))"""
"""(number, `types | how, when, by which function`) of the casts that people made."""

FILLED = "materialised view"
"""Whether it was filled: the one answer that the freeze may still change."""

QUESTIONS = {
    "relation": f"""
        SELECT {_NAME} || ' | ' || concat_ws(' ', c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
            array_to_string(c.reloptions, ','), pg_get_expr(c.relpartbound, c.oid),
            CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
            (SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits
                WHERE inhrelid = c.oid), obj_description(c.oid, 'pg_class'))
        FROM pg_class c {_IN_CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S')""",
    "column": f"""
        SELECT {_NAME} || '.' || quote_ident(a.attname) || ' | ' || concat_ws(' ',
            row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(ad.adbin, ad.adrelid),
            -- From 17 on a partition has its root's identity, before it had none; the root's is compared.
            a.attgenerated, CASE WHEN NOT c.relispartition THEN a.attidentity END,
            CASE WHEN a.attcollation <> t.typcollation THEN co.collname END,
            col_description(c.oid, a.attnum))
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef ad ON ad.adrelid = c.oid AND ad.adnum = a.attnum
        LEFT JOIN pg_collation co ON co.oid = a.attcollation
        {_IN_CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')""",
    "constraint": f"""
        SELECT CASE WHEN c.oid IS NULL THEN format('domain %I.%I', n.nspname, t.typname) ELSE {_NAME} END || '.'
            || quote_ident(k.conname) || ' | ' || pg_get_constraintdef(k.oid)
            || CASE WHEN k.convalidated THEN '' ELSE ' (not validated)' END
        FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
        JOIN pg_namespace n ON n.oid = k.connamespace
        -- From 18 on NOT NULL is a constraint, too: it is compared as the column's. A reference to a partitioned table
        -- has one more for each of its partitions, under names that differ between versions and come with the first.
        WHERE {OURS} AND k.contype IN ('c', 'f', 'p', 'u', 'x', 't')
            AND NOT EXISTS (SELECT FROM pg_constraint first WHERE k.contype = 'f' AND first.oid = k.conparentid
                AND first.conrelid = k.conrelid)
            AND {not_of_extension("pg_class", "c.oid")} AND {not_of_extension("pg_type", "t.oid")}""",
    "index": f"""
        SELECT {_NAME} || ' | ' || pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
            || CASE WHEN i.indisready AND i.indislive THEN '' ELSE ' (not ready)' END
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid {_IN_CLASS}""",
    # What a table without a key was given before it was published, the target has too, until both put back what was.
    "replica identity": f"""
        SELECT {_NAME} || ' | ' || concat_ws(' ', c.relreplident, (SELECT ic.relname FROM pg_index i
            JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident))
        FROM pg_class c {_IN_CLASS} AND c.relkind IN ('r', 'p')""",
    "trigger": f"""
        SELECT {_NAME} || '.' || quote_ident(t.tgname) || ' | ' || pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
        -- Not by `tgisinternal`: before 15 it says so of what partitions have of their root's triggers, too.
        {_IN_CLASS} AND (k.oid IS NULL OR k.contype = 't')""",
    FILLED: f"""
        SELECT {_NAME} || ' | ' || CASE WHEN c.relispopulated THEN 'filled' ELSE 'never filled' END
        FROM pg_class c {_IN_CLASS} AND c.relkind = 'm'""",
    "view": f"""
        SELECT {_NAME} || ' | ' || pg_get_viewdef(c.oid) FROM pg_class c {_IN_CLASS} AND c.relkind IN ('v', 'm')""",
    "rule": f"""
        SELECT {_NAME} || '.' || quote_ident(r.rulename) || ' | ' || pg_get_ruledef(r.oid) || ' ' || r.ev_enabled::text
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class {_IN_CLASS} AND r.rulename <> '_RETURN'""",
    "policy": f"""
        SELECT {_NAME} || '.' || quote_ident(p.polname) || ' | ' || concat_ws(' ', p.polcmd, p.polpermissive,
            pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid))
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid {_IN_CLASS}""",
    "function": f"""
        SELECT {FUNCTION} || ' | '
            || concat_ws(' ', p.prokind, l.lanname, p.provolatile, p.proisstrict, p.prosecdef, p.proparallel,
                p.proleakproof, array_to_string(p.proconfig, ','),
                CASE WHEN p.prokind <> 'p' THEN pg_get_function_arguments(p.oid)
                    ELSE concat_ws(' ', p.proargnames, p.proargmodes, pg_get_expr(p.proargdefaults, 0)) END,
                pg_get_function_result(p.oid), md5(p.prosrc),
                -- A body that SQL has read already (BEGIN ATOMIC, from 14 on) leaves no text behind.
                CASE WHEN p.prosrc = '' AND p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
                (SELECT concat_ws(' ', g.aggkind, g.aggtransfn, g.aggfinalfn, g.aggcombinefn,
                    format_type(g.aggtranstype, NULL), quote_literal(g.agginitval)) FROM pg_aggregate g
                    WHERE g.aggfnoid = p.oid))
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
        WHERE {OUR_FUNCTIONS}""",
    "type": f"""
        SELECT format('%I.%I', n.nspname, t.typname) || ' | ' || concat_ws(' ', t.typtype, t.typnotnull, t.typdefault,
            CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
            (SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), r.rngcanonical, r.rngsubdiff) FROM pg_range r
                WHERE r.rngtypid = t.oid),
            (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE {OURS} AND t.typtype IN ('e', 'd', 'r') AND {not_of_extension("pg_type", "t.oid")}""",
    "statistics": f"""
        SELECT format('%I.%I', n.nspname, s.stxname) || ' | ' || pg_get_statisticsobjdef(s.oid)
        FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {OURS}""",
    "cast": f"SELECT k.description FROM ({CASTS}) k (number, description)",
    "operator": f"""
        SELECT format('%I.%s(%s,%s)', n.nspname, o.oprname, o.oprleft::regtype, o.oprright::regtype) || ' | '
            || concat_ws(' ', o.oprcode::regproc, o.oprcom::regoperator, o.oprnegate::regoperator, o.oprrest::regproc,
                o.oprjoin::regproc, o.oprcanmerge, o.oprcanhash)
        FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
        WHERE {OURS} AND {not_of_extension("pg_operator", "o.oid")}""",
    "text search configuration": f"""
        SELECT format('%I.%I', n.nspname, t.cfgname) || ' | ' || concat_ws(' ', (SELECT p.prsname FROM pg_ts_parser p
            WHERE p.oid = t.cfgparser), (SELECT string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary, ','
                ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = t.oid))
        FROM pg_ts_config t JOIN pg_namespace n ON n.oid = t.cfgnamespace
        WHERE {OURS} AND {not_of_extension("pg_ts_config", "t.oid")}""",
    "text search dictionary": f"""
        SELECT format('%I.%I', n.nspname, t.dictname) || ' | ' || concat_ws(' ', (SELECT m.tmplname
            FROM pg_ts_template m WHERE m.oid = t.dicttemplate), t.dictinitoption)
        FROM pg_ts_dict t JOIN pg_namespace n ON n.oid = t.dictnamespace
        WHERE {OURS} AND {not_of_extension("pg_ts_dict", "t.oid")}""",
    "conversion": f"""
        SELECT format('%I.%I', n.nspname, v.conname) || ' | ' || concat_ws(' ', pg_encoding_to_char(v.conforencoding),
            pg_encoding_to_char(v.contoencoding), v.conproc::regproc, v.condefault)
        FROM pg_conversion v JOIN pg_namespace n ON n.oid = v.connamespace
        WHERE {OURS} AND {not_of_extension("pg_conversion", "v.oid")}""",
    # Not an ICU collation's locale: from 16 on it is written in another form than it was given.
    "collation": f"""
        SELECT format('%I.%I', n.nspname, v.collname) || ' | ' || concat_ws(' ', v.collprovider, v.collisdeterministic,
            CASE WHEN v.collprovider = 'c' THEN v.collcollate || ' ' || v.collctype END)
        FROM pg_collation v JOIN pg_namespace n ON n.oid = v.collnamespace
        WHERE {OURS} AND {not_of_extension("pg_collation", "v.oid")}""",
    "extension": "SELECT e.extname || ' | installed' FROM pg_extension e",
    "schema": f"SELECT quote_ident(n.nspname) || ' | there' FROM pg_namespace n WHERE {OURS}",
}


def differences_between(source: Sequence[str], target: Sequence[str], what: str) -> list[str]:
    """Say how two lists of lines `name | description` differ, but for what servers are known to write otherwise."""
    left: tuple[list[str], list[str]] = ([], [])
    # Most are equal to the letter; only the rest is read word for word, because citizens may be waiting.
    equal = Counter(source) & Counter(target)
    here, there = (_by_name((Counter(lines) - equal).elements()) for lines in (source, target))
    for name in here.keys() | there.keys():
        waiting = list(there.get(name, ()))
        unmatched: list[tuple[Tokens, str]] = []
        # First what is equal: an object that is only alike must not take its place.
        for same in (operator.eq, alike):
            unmatched = []
            for one in here.get(name, ()):
                match = next((other for other in waiting if same(one[0], other[0])), None)
                if match is None:
                    unmatched.append(one)
                else:
                    waiting.remove(match)
            here[name] = unmatched
        left[0].extend(f"{name} | {description}" for _, description in unmatched)
        left[1].extend(f"{name} | {description}" for _, description in waiting)
    return between(set(left[0]), set(left[1]), what)


def _by_name(lines: Iterable[str]) -> dict[str, list[tuple[Tokens, str]]]:
    found: dict[str, list[tuple[Tokens, str]]] = {}
    for line in lines:
        name, _, description = line.partition(" | ")
        found.setdefault(name, []).append((tokens(description), description))
    return found


_VERSIONS = "SELECT extname, extversion FROM pg_extension"


def prove_schema(moment: Moment) -> Proof:
    """Compare all definitions; a newer version of an extension is no difference, but it is said."""
    answers = moment.both_many([*QUESTIONS.values(), _VERSIONS])
    versions: list[dict[str, str]] = [dict(answer.pop()) for answer in answers]
    here, there = versions
    common = sorted(here.keys() & there.keys())
    others = [f"{name} {here[name]}, there {there[name]}" for name in common if here[name] != there[name]]
    differences: list[str] = []
    objects = 0
    for what, source, target in zip(QUESTIONS, *answers, strict=True):
        sides = [[line for (line,) in side if line is not None] for side in (source, target)]
        objects += len(sides[0])
        differences += differences_between(sides[0], sides[1], what)
    sentence = f"{objects} definitions of {len(QUESTIONS)} kinds are equal"
    if differences:
        sentence = f"{len(differences)} definitions differ"
    if others:
        sentence += f"; extensions of another version: {', '.join(others)}"
    figures: Facts = {"definitions": objects, "extensions_of_another_version": list(others)}
    return Proof("schema", not differences, sentence, figures, tuple(differences[:DIFFERENCES_MAX]))
