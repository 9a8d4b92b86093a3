"""`python -m infra.reference`: writes the pages that are made from what the stacks declare and the rules say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from catalogue import norms_page
from infra.reference import components, controls, sizing

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    """Write them, and take away the page of a component that is no more."""
    norms = {norms_page.PAGE.relative_to(DOCS).as_posix(): norms_page.render(controls.carried_out())}
    pages = {**components.pages(), **norms, "sizing.md": sizing.page()}
    (DOCS / components.FOLDER).mkdir(exist_ok=True)
    for old in (DOCS / components.FOLDER).glob("*.md"):
        if f"{components.FOLDER}/{old.name}" not in pages:
            old.unlink()
    for name, text in pages.items():
        (DOCS / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(pages)} pages written: components, norms and sizes\n")


if __name__ == "__main__":
    main()
