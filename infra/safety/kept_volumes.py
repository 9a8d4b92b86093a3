"""A database that is declared and not there, while volumes still hold the rows of the one before it; pure.

Where volumes outlive their claims, a database that was deleted and is declared again is a new one on another volume,
and empty: nobody is told, and its application writes into it. How what was kept comes back: docs/kept-volumes.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra.errors import InfraError

Document = Mapping[str, Any]


def absent(documents: Iterable[Document], is_there: Callable[[Document], bool]) -> list[Document]:
    """Return the declared databases that the cluster does not have."""
    return [each for each in documents if each["kind"] == "Cluster" and not is_there(each)]


def holding(databases: Iterable[Document], volumes: Sequence[Document]) -> Iterator[str]:
    """Yield a sentence for each volume that holds what an instance of one of these databases kept.

    None of a database of which some volume has a claim again or waits for one: it is being brought back.
    """
    for database in databases:
        metadata = database["metadata"]
        theirs = [each for each in volumes if _is_of(metadata, each["spec"].get("claimRef") or {})]
        if all((each.get("status") or {}).get("phase") == "Released" for each in theirs):
            yield from (_sentence(metadata, each) for each in theirs)


def _is_of(database: Document, claim: Document) -> bool:
    # As CloudNativePG calls the claims of its instances: the data, the log apart, tablespaces.
    claims = rf"{re.escape(database['name'])}-[0-9]+(-wal|-tbs-.+)?"
    here = claim.get("namespace") == database["namespace"]
    return here and re.fullmatch(claims, claim.get("name", "")) is not None


def _sentence(database: Document, volume: Document) -> str:
    spec, called = volume["spec"], volume["metadata"]["name"]
    size = (spec.get("capacity") or {}).get("storage", "of no stated size")
    absent = f"Cluster {database['namespace']}/{database['name']} is not there"
    return f"{absent}, and volume {called} ({size}) holds what claim {spec['claimRef']['name']} kept"


def refuse(found: Iterable[str]) -> None:
    """Raise `InfraError` (`database-would-be-empty`) that names every volume."""
    if every := list(found):
        raise InfraError(
            "database-would-be-empty",
            what="a database would be made anew, empty, while volumes hold the rows of the one before it",
            why="\n         ".join(every),
            state="nothing was written; the volumes keep what is on them",
            next="bring the volumes back, or say that their rows may go: docs/kept-volumes.md has both",
        )
