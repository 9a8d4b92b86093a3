"""What a copy that becomes a CloudNativePG cluster needs of Kubernetes; nothing here waits but `image` and `rows`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from migration.model.words import Json


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image of PostgreSQL says of itself when it is started."""

    major: int
    library: str
    """Version of its C library, such as 2.41: by it text is sorted."""
    locales: frozenset[str]
    extensions: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One CloudNativePG cluster as its object says."""

    spec: Mapping[str, Json]
    ready: bool
    phase: str
    """What the operator says it is doing, with its reason."""
    system_id: str
    """The server's own identifier, which a copy of its files shares; empty while nobody has read it."""


class SeededCluster(Protocol):
    """The cluster that begins from a copy. Every method raises `StepFailed`."""

    @property
    def name(self) -> str:
        """Its namespace and name, as people read them."""

    def image(self, image: str) -> ImageFacts:
        """Start the image once, ask it, and leave nothing of it."""

    def state(self) -> ClusterState | None:
        """Return how it is, or None while it is not there."""

    def failed_pods(self) -> list[str]:
        """Return the pods of it that ended in failure, each with the last that it said."""

    def rows(self, database: str, query: str) -> list[Mapping[str, Json]]:
        """Ask its primary, as its superuser from within."""

    def run(self, database: str, *statements: str) -> None:
        """Run statements on its primary in order, each for itself, as its superuser from within."""

    def password(self) -> str | None:
        """Return what the reader's Secret holds, or None where there is none."""

    def let_in(self, password: str, authority: str) -> None:
        """Write the reader's Secret, and read it again."""

    def shut_out(self) -> None:
        """Delete the reader's Secret; one that is not there is deleted already."""
