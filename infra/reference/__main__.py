"""`python -m infra.reference`: writes the pages that are made from what the stacks declare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from infra.reference import components, sizing

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
PAGES: Final = {"components.md": components.page, "sizing.md": sizing.page}


def main() -> None:
    """Write them."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{' and '.join(f'docs/{name}' for name in PAGES)} written\n")


if __name__ == "__main__":
    main()
