"""`python -m infra.reference`: writes the pages that are made from what the stacks declare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from infra.reference import components

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    """Write them."""
    (DOCS / "components.md").write_text(components.page(), encoding="utf-8")
    sys.stdout.write("docs/components.md written\n")


if __name__ == "__main__":
    main()
