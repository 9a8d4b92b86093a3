"""A stack's exported state as the engine writes it, made from what the stack declares under mocks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from infra.foundations import LAID, STOOD_ON
from infra.render.declared import Built, Declared

Document = dict[str, Any]


def exported(built: Built, stack: str = "") -> Document:
    """Return the state after this was applied."""
    found = [
        {
            "urn": f"urn:pulumi:{stack or built.stack}::dcshift::{each.type}::{each.name}",
            "type": each.type,
            "custom": each.is_object or each.type.startswith("pulumi:providers:"),
            "protect": each.protect,
            "inputs": copy.deepcopy(each.inputs),
            "outputs": copy.deepcopy(each.inputs),
        }
        for each in built.resources
    ]
    # What comes of an object is an output that only the engine resolves.
    said = {name: value for name, value in built.outputs.items() if name in (LAID, STOOD_ON, "contract")}
    stack_itself = {"urn": f"urn:pulumi:{built.stack}::dcshift::pulumi:pulumi:Stack::x", "type": "pulumi:pulumi:Stack"}
    return {"version": 3, "deployment": {"resources": [{**stack_itself, "outputs": said}, *found]}}


def with_changed(built: Built, kind: str, change: Callable[[Document], None], **options: Any) -> Built:
    """Return the stack with one change in every object of a kind; `options` are other fields of `Declared`."""
    made = Built(built.stack, [], dict(built.outputs), built.settings)
    for each in built.resources:
        made.resources.append(_changed(each, change, options) if each.kind == kind else each)
    return made


def _changed(declared: Declared, change: Callable[[Document], None], options: dict[str, Any]) -> Declared:
    inputs = copy.deepcopy(declared.inputs)
    change(inputs)
    return replace(declared, inputs=inputs, **options)
