"""Rows that differ, as a repair speaks of them: by their table and the hash of their key, never by a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OddRows:
    """The differing rows of one table, by the 64-bit hash of their key; without a key, of the whole row."""

    table: str
    changed: frozenset[int] = frozenset()
    """On both sides, and different."""
    missing: frozenset[int] = frozenset()
    """At the source alone: once, or more often than on the target."""
    extra: frozenset[int] = frozenset()
    """On the target alone, or more often than at the source."""

    @property
    def keys(self) -> frozenset[int]:
        return self.changed | self.missing | self.extra


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did, in rows."""

    written: int
    """Inserted on the target, or made what the source has."""
    deleted: int
    healed: int
    """Of those that people agreed to: differed at the first look and no more at the second."""
    left: int
    """Of those that people agreed to: somebody changed them between the look and the write; a further repair may."""
    appeared: int
    """Differ now and did not at the first look: nobody was asked about them, so nothing was done to them."""

    @property
    def sentence(self) -> str:
        said = f"{self.written} rows were written and {self.deleted} deleted on the target"
        said += f"; {self.healed} had healed by themselves" * bool(self.healed)
        said += f"; {self.left} were being changed and were left alone" * bool(self.left)
        return said + f"; {self.appeared} differ that nobody was asked about" * bool(self.appeared)
