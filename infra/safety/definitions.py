"""Kinds are defined in `platform` and used in later stacks only; pure.

A preview that meets an object of a kind that the same run is still to define fails, or plans without having looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from infra.errors import InfraError
from infra.render.declared import Built

_DEFINITION: Final = "CustomResourceDefinition"
_HOME: Final = "platform"


def misplaced(stacks: Sequence[Built]) -> Iterator[str]:
    """Yield a sentence for each definition outside `platform`, and for each object of a kind that its stack defines."""
    for built in stacks:
        assert built.settings is not None
        defined = {
            (str(each.inputs["spec"]["group"]), str(each.inputs["spec"]["names"]["kind"])): each.identity
            for each in built.of(_DEFINITION)
        }
        if built.settings.layer != _HOME:
            yield from (f"stack {built.stack}: {identity} belongs to {_HOME}" for identity in defined.values())
        for each in built.objects:
            key = str(each.inputs.get("apiVersion", "")).rpartition("/")[0], each.kind
            if key in defined:
                yield f"stack {built.stack}: {each.identity} is of a kind that this stack itself defines"


def refuse(stacks: Sequence[Built]) -> None:
    """Raise `InfraError` (`kind-defined-too-late`) for all of them."""
    if found := list(misplaced(stacks)):
        raise InfraError(
            "kind-defined-too-late",
            what=f"{len(found)} object(s) could not be previewed",
            why="\n         ".join(found),
            state="nothing was written",
            next=f"define kinds in infra/stacks/{_HOME}.py, and declare their objects in a later layer",
        )
