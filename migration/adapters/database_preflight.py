"""Asks everything about one database whose two sides can be entered; the one list of those questions."""

from __future__ import annotations

from collections.abc import Iterator

from catalogue.target import TargetDatabase
from migration.adapters import (
    database_content,
    database_extensions,
    database_findings,
    database_foreign,
    database_functions,
    database_logins,
    database_pooling,
    database_programs,
    database_rare,
    database_removed,
    database_rights,
    database_roles,
    database_settings,
    database_sorting,
)  # fmt: skip
from migration.model.inventory import DatabaseFacts
from migration.model.words import Finding
from migration.movers.link import Connection


def of_both(
    source: Connection, target: Connection, facts: DatabaseFacts, contract: TargetDatabase
) -> Iterator[Finding]:
    """Yield what speaks against copying; possible once the migration's role exists at the source."""
    if lacking := list(database_rights.of_source(source)):
        yield from lacking
        return  # what else there is could not be asked
    yield from database_findings.from_source(source, facts)
    yield from database_programs.of_marks(source)
    yield from database_roles.of_roles(source, target, facts)
    yield from database_logins.of_logins(source, target, contract)
    yield from database_settings.between(source, target, contract)
    yield from database_pooling.of_sessions(source, contract.pooler)
    yield from database_content.of_source(source)
    yield from database_rare.of_rare(source, target, contract.owner)
    yield from database_functions.of_functions(source, target.info.server_version)
    yield from database_foreign.of_others(source, target, contract.owner)
    yield from database_extensions.of_versions(source, target)
    yield from database_extensions.of_rights(source, target, contract.owner)
    yield from database_extensions.of_rows(source, target)
    yield from database_sorting.of_sorting(source, target, facts)
    yield from database_removed.of_both(source, target)
