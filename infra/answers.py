"""What we answer to judges of others (`make judges`), written beside the code that they are wrong about; pure data.

A module whose objects break a judge's rule on purpose has a constant `ANSWERS`; `infra.render.answers` collects them.
One that answers nothing any more fails the judges' run, so none outlives the code beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Why objects of this module do not keep some rules of judges."""

    rules: Mapping[str, tuple[str, ...]]
    """Ids of rules by judge: one reason may be that of several rules, in several dialects."""
    objects: tuple[str, ...]
    """Patterns of `Kind namespace/name`, each of which must answer a failure of each rule."""
    reason: str
