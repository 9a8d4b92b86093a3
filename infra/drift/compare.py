"""What of a live object is not as declared, who wrote it and when, and what an `up` would run into; pure.

Three things look alike and are not: a field that somebody else changed (drift; where that one holds it now, applying
ours is refused), a declaration that was not applied yet (pending), and a field that two hold with one value (shared).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from infra.drift.fields import Leaf, Writer, leaves, writers
from infra.drift.managers import behind, ours

Document = Mapping[str, Any]
_AMOUNT: Final = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")
_FACTORS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{name: Decimal(1000) ** power for power, name in enumerate("kMGT", start=1)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGT", start=1)},
}
_IDENTITY: Final = ("apiVersion", "kind", "metadata.name", "metadata.namespace")


class Class(StrEnum):
    """What a difference is, worst first."""

    GONE = "gone"
    """The whole object is not there."""
    DRIFT = "drift"
    """The field is not as declared, and not by us."""
    SHARED = "shared"
    """Somebody else holds the field too, with our value: the day that one of both changes it is a conflict."""
    PENDING = "pending"
    """The declaration was changed and not applied: `up` will do it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: what we declare, what is there, who wrote that and when."""

    stack: str
    object: str
    field: str
    cls: Class
    ours: Any
    theirs: Any
    manager: str = ""
    when: str = ""
    beside: bool = False
    """Whether it stands beside ours, in a list that we declare: applying ours leaves it."""
    held: bool = True
    """Whether that manager holds the field now. One that takes a field away leaves no name at it."""

    @property
    def who(self) -> str:
        """Return who wrote it, as people read it."""
        if not self.manager:
            return "nobody named"
        return f"{'' if self.held else 'perhaps '}{self.manager} ({behind(self.manager)})"

    @property
    def refuses(self) -> bool:
        """Whether applying ours would be refused as it is: the field has another owner and another value."""
        return self.cls is Class.DRIFT and self.held and not self.beside


def compare(stack: str, identity: str, declared: Document, live: Document | None) -> Iterator[Difference]:
    """Yield every declared field of one object that is not so, or that is not ours alone."""
    if live is None:
        yield Difference(stack, identity, "the whole object", Class.GONE, "declared", None)
        return
    everybody = writers(live)
    for leaf in leaves(declared, live, everybody):
        if leaf.text in _IDENTITY:
            continue
        found = _judge(leaf, everybody)
        if found is not None:
            cls, writer = found
            name, when, held = (writer.manager, writer.time, writer.has(leaf.path)) if writer else ("", "", False)
            values = leaf.declared, leaf.live
            yield Difference(stack, identity, leaf.text, cls, *values, name, when, leaf.beside, held)


def _judge(leaf: Leaf, everybody: Sequence[Writer]) -> tuple[Class, Writer | None] | None:
    """Return what a field is and who is behind it; None where it is as declared and ours alone."""
    holders = [each for each in everybody if each.has(leaf.path)]
    others = [each for each in holders if not ours(each.manager)]
    mine = [each for each in holders if ours(each.manager)]
    # What the server adds to a field of ours is no change of it. One that somebody took over was changed, or it would
    # be ours still: there every addition counts.
    # An empty list is not kept by the server: none is the same.
    unsaid = leaf.absent and leaf.declared == []
    same = unsaid or (not leaf.absent and not leaf.beside and _equal(leaf.declared, leaf.live, exactly=not mine))
    if others:
        return (Class.SHARED if same else Class.DRIFT), others[0]
    if same:
        return None
    if mine:
        return Class.PENDING, mine[0]
    # Nobody holds it: we have never applied it, or somebody took it away, who leaves no name there. The last one to
    # write to the object after us is then who it was, as far as can be known.
    applied = next((each.time for each in everybody if ours(each.manager)), "")
    after = [each for each in everybody if not ours(each.manager) and not each.subresource and each.time >= applied]
    return (Class.DRIFT, after[0]) if applied and after else (Class.PENDING, None)


def _equal(declared: Any, live: Any, *, exactly: bool) -> bool:
    """Return whether both are one value; amounts may be written in other ways."""
    if isinstance(declared, Mapping) and isinstance(live, Mapping):
        said = {key: value for key, value in declared.items() if value is not None}
        if exactly and said.keys() != live.keys():
            return False
        return all(key in live and _equal(value, live[key], exactly=exactly) for key, value in said.items())
    if isinstance(declared, list) and isinstance(live, list):
        same = (_equal(*each, exactly=exactly) for each in zip(declared, live, strict=False))
        return len(declared) == len(live) and all(same)
    if declared == live:
        return True
    amounts = [_amount(each) for each in (declared, live)]
    return None not in amounts and amounts[0] == amounts[1]


def _amount(value: Any) -> Decimal | None:
    found = _AMOUNT.match(value) if isinstance(value, str) else None
    return Decimal(found[1]) * _FACTORS[found[2] or ""] if found else None
