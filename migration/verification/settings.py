"""Proves that the application's sessions begin with the same settings; which settings move is decided here, once.

A setting is read as PostgreSQL applies it to the database's owner: role in database, role, database, all roles.
"""

from __future__ import annotations

from typing import Final

from migration.model.words import Proof
from migration.verification.session import DIFFERENCES_MAX, Moment, Row, between

EFFECTIVE: Final = """
SELECT DISTINCT ON (1) lower(split_part(line, '=', 1)), substr(line, strpos(line, '=') + 1)
FROM pg_db_role_setting s, pg_database d, unnest(s.setconfig) line
WHERE d.datname = current_database() AND s.setdatabase IN (0, d.oid) AND s.setrole IN (0, d.datdba)
ORDER BY 1, s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
"""

# All have context `user`, so an owner may set them, and mean the same from 12 to 18 (the manual's Client Connection
# Defaults, Query Planning and Resource Consumption). First what names mean and how values read: answers depend on it.
_MEANING: Final = (
    "search_path timezone datestyle intervalstyle client_encoding bytea_output extra_float_digits xmlbinary xmloption"
    " lc_monetary lc_numeric lc_time default_text_search_config array_nulls backslash_quote row_security"
    " standard_conforming_strings escape_string_warning transform_null_equals quote_all_identifiers"
    " timezone_abbreviations client_min_messages application_name"
)
# How long a statement may wait, and what a transaction sees.
_WAITING: Final = (
    "statement_timeout lock_timeout idle_in_transaction_session_timeout default_transaction_isolation"
    " default_transaction_deferrable synchronous_commit"
)
# How much a session may use, and how it plans: a query that was tuned with them must not become slow.
_PLANNING: Final = (
    "work_mem maintenance_work_mem temp_buffers effective_cache_size random_page_cost seq_page_cost cpu_tuple_cost"
    " cpu_index_tuple_cost cpu_operator_cost default_statistics_target from_collapse_limit join_collapse_limit geqo"
    " jit constraint_exclusion cursor_tuple_fraction plan_cache_mode max_parallel_workers_per_gather"
    " enable_bitmapscan enable_hashagg enable_hashjoin enable_indexscan enable_indexonlyscan enable_material"
    " enable_mergejoin enable_nestloop enable_seqscan enable_sort enable_tidscan"
)
SERVER_WIDE: Final = frozenset(f"{_MEANING} {_WAITING}".split())
"""What a session may begin with by its server alone, and an answer depend on; how it plans is the server's own."""
CARRIED: Final = frozenset(f"{_MEANING} {_WAITING} {_PLANNING}".split())
# What the server writes down or counts; the target's platform decides it.
_OPERATIONAL: Final = ("log_", "track_", "auto_explain.", "pg_stat_statements.", "deadlock_timeout", "temp_file_limit")
OURS: Final = frozenset({"default_transaction_read_only"})
"""The migration itself opens and closes the target with it."""


def is_operational(name: str) -> bool:
    """Say whether a setting concerns the server's operation and no answer of the application."""
    return name.startswith(_OPERATIONAL)


def prove_settings(moment: Moment) -> Proof:
    """Compare what the owner's sessions begin with."""
    source, target = (_lines(side) for side in moment.both(EFFECTIVE))
    differences = between(source, target, "setting")
    sentence = f"{len(source)} settings of the owner's sessions are equal"
    if differences:
        sentence = f"{len(differences)} settings of the owner's sessions differ"
    figures = {"settings": len(source)}
    return Proof("settings", not differences, sentence, figures, tuple(differences[:DIFFERENCES_MAX]))


def _lines(rows: list[Row]) -> set[str]:
    return {f"{name} | {value}" for name, value in rows if name not in OURS and not is_operational(name)}
