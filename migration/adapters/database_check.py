"""What speaks against moving a database, as survey, catalogue and every side that answers have it; reads only."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from migration.adapters import database_findings as findings
from migration.adapters import database_preflight, database_programs, database_room
from migration.adapters.database_sessions import Sessions
from migration.errors import MigrationError
from migration.model.words import Finding, Severity


def check(at: Sessions) -> Sequence[Finding]:
    """Return every finding; a side that does not answer is one, too."""
    access, context = at.access, at.access.context
    facts, contract = context.facts.database, context.contract.database
    found = [*findings.from_inventory(facts), *database_programs.from_programs(facts)]
    found += database_room.of_target(facts, context.system.database.storage, contract.cluster)
    try:
        with at.target() as target:
            found += findings.from_target(target, facts, contract)
            if access.source_password() is not None:
                with at.source() as source:
                    found += database_preflight.of_both(source, target, facts, contract)
                    found += findings.from_stream(source, target, context.system.id, access.name)
    except (psycopg.Error, MigrationError) as failure:
        why = failure.why if isinstance(failure, MigrationError) else str(failure).strip()
        where, next = f"{contract.cluster}/{contract.name}", "mend the cause, then dcshift check"
        found.append(Finding(Severity.BLOCKER, "database-not-read", where, f"a side did not answer: {why}", next))
    return found
