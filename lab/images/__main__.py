"""`python -m lab.images [NAME…]`: build the images into the cache ahead of the first start; it needs no cluster."""

from __future__ import annotations

import sys
import time

from lab.errors import LabError
from lab.images import ALL, build_images
from lab.target import upstream


def main(names: list[str]) -> int:
    """Build the images of these short names, all if none is given; return the exit code."""
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(ALL)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        build_images(names or ALL, lambda line: print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True))
        upstream.fetch()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
