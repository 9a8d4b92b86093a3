"""The builder of stacks under mocks, where tests find it, and the example catalogue."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from catalogue.load import load
from infra import order
from infra.config import catalogue_folder
from infra.render.declared import Built, Declared, build, whole

CATALOGUE = Path(__file__).resolve().parents[2] / "catalogue" / "khanh-hoa"
STACKS = tuple(order.every(load(CATALOGUE)))
"""Every stack of the example, in the order in which they are brought up."""
GROUNDS = tuple(stack for stack in STACKS if order.layer(stack) == "ground")
__all__ = ["CATALOGUE", "GROUNDS", "STACKS", "Built", "Declared", "build", "built_once", "whole"]


def built_once(stack: str, config: Mapping[str, str] | None = None) -> Built:
    """Return a stack as this process builds it once from equal settings and an equal catalogue; nobody may change it.

    For whoever reads what is declared; whoever tests the building itself calls `build`.
    """
    files = tuple((file.name, file.read_bytes()) for file in sorted(catalogue_folder().glob("*.yaml")))
    return _built(stack, tuple(sorted((config or {}).items())), files)


@functools.cache
def _built(stack: str, config: tuple[tuple[str, str], ...], files: tuple[tuple[str, bytes], ...]) -> Built:
    assert files, "a folder without a catalogue"
    return build(stack, dict(config))
