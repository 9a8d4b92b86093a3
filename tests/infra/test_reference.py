"""The pages that are made from what the stacks declare are current, and leave nothing out."""

from __future__ import annotations

import re

from infra.reference import components
from infra.reference.__main__ import DOCS

COMPONENTS = (DOCS / "components.md").read_text(encoding="utf-8")


def test_the_page_of_components_is_current() -> None:
    assert components.page() == COMPONENTS, "make docs"


def test_every_component_is_told_with_every_argument_and_what_it_means() -> None:
    told = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", COMPONENTS, re.MULTILINE | re.DOTALL))
    assert told.keys() == {kind.__name__ for kind in components.found()}
    for kind in components.found():
        for argument in components.arguments(kind):
            assert argument.meaning.endswith("."), f"{kind.__name__}Args.{argument.name} has no sentence below it"
            assert f"| `{argument.name}` |" in told[kind.__name__]
        assert re.search(r"^Declares: \w+", told[kind.__name__], re.MULTILINE), kind
