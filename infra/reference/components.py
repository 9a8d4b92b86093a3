"""A page for each component and one that lists them: what each is told, what it declares, in which stack.

All of it is read off the code and a built centre.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi

from infra import components, order
from infra.render import representative
from infra.render.declared import Built, Declared, build
from infra.render.representative import EXAMPLE, SYSTEM, Place

_HEAD: Final = """# Components

Each is one `ComponentResource` of `infra/components/`, told what it needs by its `Args` and nothing else: it reads no
configuration, asks nothing, and declares its parts as its children. A stack of `infra/stacks/` composes them. What each
declares is counted in the example province, to which a volume of files was added; *locked* means protected and kept
when its declaration goes.
Written by `make docs`, as are their pages; do not edit.

| component | in | what it is |
|---|---|---|
"""


_WITH_A_VOLUME: Final = Place(3, "internet", "many-pods")
INDEX: Final = "components.md"
FOLDER: Final = "components"


@dataclass(frozen=True, slots=True)
class Argument:
    """One field of a component's `Args`."""

    name: str
    type: str
    default: str
    meaning: str


def pages() -> dict[str, str]:
    """Return docs/components.md and the page of each component, by their paths below docs/."""
    stacks = [
        build("platform", catalogue=EXAMPLE),
        build(order.ground(SYSTEM), catalogue=EXAMPLE),
        build("data", catalogue=EXAMPLE),
        build("security", catalogue=EXAMPLE),
        build(SYSTEM, {"migrate": "true"}, catalogue=EXAMPLE),
        # What the example does without.
        *representative.stacks(_WITH_A_VOLUME),
    ]
    there = list(_each_once(stacks))
    rows = [
        f"| [{kind.__name__}]({FOLDER}/{kind.__name__}.md) | {_stack(built)} | {_sentence(kind)} |\n"
        for kind, built, _ in there
    ]
    own = {f"{FOLDER}/{kind.__name__}.md": _page(kind, built, one) for kind, built, one in there}
    return {INDEX: "".join([_HEAD, *rows]), **own}


def _each_once(stacks: Sequence[Built]) -> Iterator[tuple[type[pulumi.ComponentResource], Built, Declared]]:
    """Yield every component with the first stack that has one, and the first of it there."""
    told: set[type] = set()
    for built in stacks:
        for kind in found():
            if kind not in told and (one := _first(kind, built)):
                told.add(kind)
                yield kind, built, one


def found() -> list[type[pulumi.ComponentResource]]:
    """Return every component of the package, by name."""
    made = []
    for module in pkgutil.iter_modules(components.__path__):
        loaded = importlib.import_module(f"{components.__name__}.{module.name}")
        made += [
            kind
            for _, kind in inspect.getmembers(loaded, inspect.isclass)
            if issubclass(kind, pulumi.ComponentResource) and kind.__module__ == loaded.__name__
        ]
    return sorted(made, key=lambda kind: kind.__name__)


def arguments(kind: type) -> list[Argument]:
    """Return the fields of a component's `Args`, with the sentence that stands below each in the code."""
    told: Any = getattr(inspect.getmodule(kind), f"{kind.__name__}Args")
    meanings = dict(_meanings(told))
    return [
        Argument(each.name, str(each.type), _default(each), meanings.get(each.name, ""))
        for each in dataclasses.fields(told)
    ]


def _first(kind: type, built: Built) -> Declared | None:
    """Return the first such component of a stack, none if it has none."""
    here = [each for each in built.resources if each.type.startswith("dcshift:") and each.kind == kind.__name__]
    return here[0] if here else None


def _sentence(kind: type) -> str:
    """Return the first paragraph of what the code says of a component."""
    return " ".join(str(inspect.getdoc(kind)).partition("\n\n")[0].split())


def _page(kind: type, built: Built, one: Declared) -> str:
    told = inspect.getdoc(getattr(inspect.getmodule(kind), f"{kind.__name__}Args"))
    outputs = ", ".join(f"`{name}`" for name in inspect.get_annotations(kind) if not name.startswith("_"))
    # A stroke ends a cell, between backticks too.
    rows = [" | ".join(_cell(part) for part in _row(each)) for each in arguments(kind)]
    lines = [
        f"# {kind.__name__}",
        "",
        "Written by `make docs`; do not edit. [All components](../components.md).",
        "",
        str(inspect.getdoc(kind)),
        "",
        f"`{one.type}`, in {_stack(built)}; [{_file(kind)}](../../{_file(kind)})",
        "",
        f"`{kind.__name__}Args`: {told}",
        "",
        "| argument | type | default | meaning |",
        "|---|---|---|---|",
        *(f"| {row} |" for row in rows),
        "",
        f"Gives: {outputs or 'nothing'}.",
        "",
        f"Declares: {_declares(built, one)}.",
        "",
    ]
    return "\n".join(lines)


def _row(argument: Argument) -> tuple[str, ...]:
    return f"`{argument.name}`", f"`{argument.type}`", argument.default, argument.meaning


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _stack(built: Built) -> str:
    match order.layer(built.stack):
        case "ground":
            return f"stack `{order.ground('<system>')}`, one for each system"
        case "system":
            return "the stack of each system"
        case _:
            return f"stack `{built.stack}`"


def _declares(built: Built, one: Declared) -> str:
    children = [each for each in built.objects if each.parent == f"{one.type}::{one.name}"]
    counted = Counter((each.kind, each.protect and each.retain) for each in children)
    return ", ".join(
        f"{kind}{f' × {count}' if count > 1 else ''}{' (locked)' if locked else ''}"
        for (kind, locked), count in sorted(counted.items())
    )


def _meanings(told: type) -> Iterator[tuple[str, str]]:
    body = ast.parse(inspect.getsource(told)).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            yield field.target.id, " ".join(str(ast.literal_eval(below.value)).split())


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()!r}`"
    return "must be given" if field.default is dataclasses.MISSING else f"`{field.default!r}`"


def _file(kind: type) -> str:
    return Path(inspect.getfile(kind)).relative_to(EXAMPLE.parents[1]).as_posix()
