"""Proves that no sequence of the target can hand out a number twice."""

from __future__ import annotations

from migration.model.words import Proof
from migration.verification.session import DIFFERENCES_MAX, Moment, Side, between

_SEQUENCES = """
SELECT format('%I.%I', n.nspname, c.relname), format_type(s.seqtypid, NULL) || concat_ws(' ', '', s.seqstart,
    s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')
ORDER BY 1
"""


def prove_sequences(moment: Moment) -> Proof:
    """Compare definitions, and values too when nobody draws from the source any more."""
    here, there = _read(moment.source), _read(moment.target)
    source = {f"{name} | defined as {definition}" for name, (definition, _) in here.items()}
    target = {f"{name} | defined as {definition}" for name, (definition, _) in there.items()}
    differences = between(source, target, "sequence")
    if moment.frozen:
        for name in sorted(here.keys() & there.keys()):
            if here[name][1] != there[name][1]:
                (last, called), (last_there, called_there) = here[name][1], there[name][1]
                differences.append(
                    f"sequence {name}: source is at {last} ({_called(called)}), target at {last_there}"
                    f" ({_called(called_there)})"
                )
    compared = "definitions and values" if moment.frozen else "definitions"
    sentence = f"{compared} of {len(here)} sequences are equal"
    if differences:
        sentence = f"{len(differences)} sequences differ"
    figures = {"sequences": len(here), "values_compared": moment.frozen}
    return Proof("sequences", not differences, sentence, figures, tuple(differences[:DIFFERENCES_MAX]))


def _called(called: bool) -> str:
    return "drawn" if called else "not yet drawn"


def _read(side: Side) -> dict[str, tuple[str, tuple[int, bool]]]:
    definitions: dict[str, str] = dict(side.rows(_SEQUENCES))
    if not definitions:
        return {}
    query = " UNION ALL ".join(f"SELECT {i}, last_value, is_called FROM {n}" for i, n in enumerate(definitions))
    values = {i: (int(last), bool(called)) for i, last, called in side.rows(query)}
    return {name: (definition, values[i]) for i, (name, definition) in enumerate(definitions.items())}
