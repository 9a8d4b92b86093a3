"""What holds data, is declared and not there, while volumes still hold what the one before it kept; pure.

Where volumes outlive their claims, a database that was deleted and is declared again is a new one on another volume,
and empty: nobody is told, and its application writes into it. Likewise a volume of files. How what was kept comes
back: docs/kept-volumes.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from infra.errors import InfraError

Document = Mapping[str, Any]
KINDS: Final = ("Cluster", "PersistentVolumeClaim")


def absent(documents: Iterable[Document], is_there: Callable[[Document], bool]) -> list[Document]:
    """Return the declared databases and claims of files that the cluster does not have."""
    return [each for each in documents if each["kind"] in KINDS and not is_there(each)]


def holding(absent: Iterable[Document], volumes: Sequence[Document]) -> Iterator[str]:
    """Yield a sentence for each volume that holds what one of these, an instance of a database or a claim, kept.

    None of one of which some volume has a claim again or waits for one: it is being brought back.
    """
    for each in absent:
        theirs = [volume for volume in volumes if _is_of(each, volume["spec"].get("claimRef") or {})]
        if all((volume.get("status") or {}).get("phase") == "Released" for volume in theirs):
            yield from (_sentence(each, volume) for volume in theirs)


def _is_of(absent: Document, claim: Document) -> bool:
    metadata = absent["metadata"]
    # As CloudNativePG calls the claims of its instances: the data, the log apart, tablespaces.
    of_instances = "-[0-9]+(-wal|-tbs-.+)?" if absent["kind"] == "Cluster" else ""
    here = claim.get("namespace") == metadata["namespace"]
    return here and re.fullmatch(re.escape(metadata["name"]) + of_instances, claim.get("name", "")) is not None


def _sentence(lost: Document, volume: Document) -> str:
    spec, called = volume["spec"], volume["metadata"]["name"]
    size = (spec.get("capacity") or {}).get("storage", "of no stated size")
    absent = f"{lost['kind']} {lost['metadata']['namespace']}/{lost['metadata']['name']} is not there"
    return f"{absent}, and volume {called} ({size}) holds what claim {spec['claimRef']['name']} kept"


def refuse(found: Iterable[str]) -> None:
    """Raise `InfraError` (`database-would-be-empty`) that names every volume."""
    if every := list(found):
        raise InfraError(
            "database-would-be-empty",
            what="what holds data would be made anew, empty, while volumes hold what the one before it kept",
            why="\n         ".join(every),
            state="nothing was written; the volumes keep what is on them",
            next="bring the volumes back, or say that what they hold may go: docs/kept-volumes.md has both",
        )
