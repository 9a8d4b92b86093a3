"""`python -m lab.toolchain`: build what is missing, one progress line a tool, and link what the environment needs."""

from __future__ import annotations

import sys
import time

from lab.errors import LabError
from lab.toolchain.build import build, missing
from lab.toolchain.links import link_programs
from lab.toolchain.plugin import ensure_plugin
from lab.toolchain.tools import TOOLS


def main() -> int:
    """Build, link, say which Kubernetes plugin is in use; return the exit status."""
    lacking = missing()
    left = sum(tool.build_seconds for tool in lacking)
    if lacking:
        print(f"tools: {len(lacking)} of {len(TOOLS)} to build, about {left / 60:.0f} min", flush=True)
    try:
        for number, tool in enumerate(lacking, start=1):
            begun = time.monotonic()
            print(
                f"  {number}/{len(lacking)} {tool.name} {tool.version}: building, usually {tool.build_seconds} s, "
                f"{left / 60:.0f} min left in all",
                flush=True,
            )
            build(tool, lambda line: print(f"      {line}", flush=True))
            left -= tool.build_seconds
            print(
                f"  {number}/{len(lacking)} {tool.name} {tool.version}: ready in {time.monotonic() - begun:.0f} s",
                flush=True,
            )
        link_programs()
        print(f"tools: {len(TOOLS)} ready; Kubernetes plugin: {ensure_plugin()}", flush=True)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
