"""`python -m bench.build FOLDER`: builds the graph of every stack in one process, under mocks, and counts objects."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from infra.render.building import built
from infra.render.declared import stacks


def main() -> None:
    """Build and print how many objects there are."""
    folder = Path(sys.argv[1])
    count = 0
    for stack in stacks():
        count += len(built(stack, folder).objects)
        sys.stdout.write(f"{stack}: {count} objects so far\n")
        sys.stdout.flush()
    sys.stdout.write(f"{json.dumps({'resources': count})}\n")


if __name__ == "__main__":
    main()
