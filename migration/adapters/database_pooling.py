"""Says what sessions keep between transactions, which a pool gives to whoever comes next; it only reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import link
from migration.movers.link import Connection

# Seen of the owner's own sessions alone, and of them only while they do nothing: a transaction may keep what it likes.
_KEPT: Final = """
SELECT DISTINCT kept.what || ' of ' || coalesce(nullif(a.application_name, ''), 'process ' || a.pid)
FROM pg_stat_activity a CROSS JOIN LATERAL (
    SELECT 'advisory lock' AS what FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'
    UNION ALL SELECT 'LISTEN' WHERE a.query ~* '^\\s*listen\\M'
    UNION ALL SELECT 'prepared statement' WHERE a.query ~* '^\\s*(prepare|execute)\\M'
    UNION ALL SELECT 'SET' WHERE a.query ~* '^\\s*set\\s+(?!local|transaction|constraints)'
) kept
WHERE a.datname = current_database() AND a.state = 'idle' AND a.usename <> current_user ORDER BY 1
"""


def of_sessions(source: Connection, pooler: str | None) -> Iterator[Finding]:
    """Yield what idle sessions of the source hold, if the target's are to be shared by a pool."""
    if pooler is None:
        return
    if kept := [what for (what,) in link.rows(source, _KEPT)]:
        what = f"sessions keep what the pool {pooler} does not, unless its mode is `session`: {few(kept)}"
        mend = "let the application hold it inside one transaction, or reach the database past the pool"
        yield Finding(Severity.WARNING, "session-state", source.info.dbname, what, mend)
