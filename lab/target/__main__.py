"""`python -m lab.target prepare|up|down|status`: try the target alone; it decides nothing."""

from __future__ import annotations

import sys
import time

from lab import target
from lab.errors import LabError


def main(argv: list[str]) -> int:
    """Run one verb; return the exit code."""
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    try:
        match argv:
            case ["up"]:
                target.up(say)
                say("ready")
            case ["prepare"]:
                target.prepare(say)
                say("prepared")
            case ["down"]:
                target.down(say)
                say("gone")
            case ["status"]:
                found = target.status()
                for name, well in found.parts.items():
                    print(f"{name:24} {'well' if well else 'not running'}")
                return 0 if found.ready else 1
            case _:
                print("usage: python -m lab.target prepare|up|down|status", file=sys.stderr)
                return 2
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
