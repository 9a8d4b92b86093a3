"""Reads every definition of the databases that move, in words that both servers would write alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from migration.errors import StepFailed
from migration.movers.mariadb import link
from migration.movers.mariadb.facts import modern
from migration.movers.mariadb.link import Connection, quoted

_TABLES: Final = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
_TRIGGERS: Final = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s"
_EVENTS: Final = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s"
_ROUTINES: Final = "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s"
# Counters are compared by themselves; who is armed changes with the side that serves; 10.6 called utf8 utf8mb3.
_COUNTER: Final = re.compile(r" AUTO_INCREMENT=\d+")
_ARMED: Final = re.compile(r"(?<=PRESERVE )(ENABLE|DISABLE ON SLAVE|DISABLE)\b")
_UTF8: Final = re.compile(r"(?<=[\s=(,_])utf8(?=[\s,)_']|$)", re.MULTILINE)
_UNSAID: Final = frozenset({"Created", "Database"})


def of(connection: Connection, databases: tuple[str, ...]) -> dict[str, str]:
    """Return every definition by what it is and its name, `table portal.dossier`."""
    found = {}
    there = {name for (name,) in link.rows(connection, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")}
    for database in filter(there.__contains__, databases):
        for what, name, query in _asked(connection, database):
            rows = link.named(connection, query)
            if not rows or any(value is None and "Create" in key for key, value in rows[0].items()):
                raise StepFailed(
                    "definition-unread",
                    what=f"the definition of {what} {database}.{name} cannot be read",
                    why="the server shows it to its owner or to whoever may read all of the database mysql",
                    state="nothing was changed",
                    next="GRANT ALL PRIVILEGES ON *.* to the mover's account",
                )
            values = (f"{key}: {value}" for key, value in rows[0].items() if key not in _UNSAID)
            found[f"{what} {database}.{name}"] = written("\n".join(values))
    return found


def written(definition: str) -> str:
    """Return a definition as both servers would write it."""
    return _UTF8.sub(modern("utf8"), _ARMED.sub("", _COUNTER.sub("", definition)))


def _asked(connection: Connection, database: str) -> Iterator[tuple[str, str, str]]:
    yield "database", database, f"SHOW CREATE DATABASE {quoted(database)}"
    for name, kind in link.rows(connection, _TABLES, (database,)):
        word = {"VIEW": "VIEW", "SEQUENCE": "SEQUENCE"}.get(kind, "TABLE")
        yield word.lower(), name, f"SHOW CREATE {word} {quoted(database, name)}"
    for (name,) in link.rows(connection, _TRIGGERS, (database,)):
        yield "trigger", name, f"SHOW CREATE TRIGGER {quoted(database, name)}"
    for (name,) in link.rows(connection, _EVENTS, (database,)):
        yield "event", name, f"SHOW CREATE EVENT {quoted(database, name)}"
    for name, kind in link.rows(connection, _ROUTINES, (database,)):
        yield kind.lower(), name, f"SHOW CREATE {kind} {quoted(database, name)}"
