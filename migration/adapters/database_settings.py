"""Says which settings of a database or its roles are not carried, and what to declare on the target; it only reads."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from catalogue.target import TargetDatabase
from migration.model.words import Finding, Severity
from migration.movers import link, settings
from migration.movers.link import Connection, literal, quoted
from migration.verification.settings import CARRIED, OURS, is_operational

_KEPT_BY_POOL = {"client_encoding", "datestyle", "intervalstyle", "standard_conforming_strings", "timezone"}
"""What pgbouncer gives each session as its own first one began, whatever the server says since."""
_OF_OTHERS = """
SELECT DISTINCT r.rolname FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
JOIN pg_database d ON d.oid = s.setdatabase
WHERE d.datname = current_database() AND s.setrole <> d.datdba AND r.rolname <> current_user ORDER BY 1
"""


def between(source: Connection, target: Connection, contract: TargetDatabase) -> Iterator[Finding]:
    """Yield findings for each setting that the owner's sessions would not begin with on the target."""
    where = f"{contract.cluster}/{contract.name}"
    here, there, ours = settings.effective(source), settings.effective(target), settings.carried(target)
    for name, value in here.items():
        if contract.pooler and name in _KEPT_BY_POOL and (name in ours or there.get(name) != value):
            what = f"{name} = {value} is carried, but the pool {contract.pooler} may have begun with another value"
            restart = f"kubectl -n {contract.namespace} rollout restart deployment {contract.pooler}"
            yield Finding(Severity.WARNING, "setting-kept-by-pool", where, what, f"after the copy: {restart}")
        if there.get(name) == value:
            continue
        declare = (
            f"ALTER ROLE {quoted(contract.owner)} IN DATABASE {quoted(contract.name)} SET {name} = {literal(value)}"
        )
        by_hand = f"as superuser on the target: {declare}; or reset it at the source"
        if name in OURS:
            what = f"{name} = {value} at the source is not carried: the migration itself opens and closes the target"
            yield Finding(Severity.WARNING, "setting-not-carried", where, what, "set it after the move if it is wanted")
        elif is_operational(name):
            what = f"{name} = {value} at the source is not carried; it concerns the server, not the application"
            yield Finding(Severity.WARNING, "setting-not-carried", where, what, "nothing, or " + by_hand)
        elif name not in CARRIED:
            what = f"{name} = {value} is set for the application at the source; whether it may be carried is not known"
            yield Finding(Severity.BLOCKER, "setting-unknown", where, what, by_hand)
        elif name in there and name not in ours:
            what = f"{name} is {there[name]} on the target, {value} at the source"
            yield Finding(Severity.BLOCKER, "setting-differs", where, what, "make both equal, or reset one of them")
        # A text search configuration of the application's own comes with its schema, and need not be there yet.
        elif name != "default_text_search_config" and (why := _refusal(target, name, value)):
            what = f"the target does not take {name} = {value}: {why}"
            yield Finding(Severity.BLOCKER, "setting-refused", where, what, "set a value that both servers know")
    if others := [role for (role,) in link.rows(source, _OF_OTHERS)]:
        what = f"settings of other roles in this database are not carried: {', '.join(others)}"
        yield Finding(Severity.WARNING, "settings-of-other-roles", where, what, "declare them on the target if needed")


def _refusal(target: Connection, name: str, value: str) -> str | None:
    try:
        with target.transaction(force_rollback=True):
            link.rows(target, "SELECT set_config(%s, %s, true)", (name, value))
    except psycopg.Error as refused:
        return str(refused).strip().splitlines()[0]
    return None
