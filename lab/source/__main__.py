"""`python -m lab.source up|down|status`: the source by itself, for trying; people use `dcshift lab`."""

from __future__ import annotations

import argparse
import sys
import time

from lab.errors import LabError
from lab.source import centre
from lab.source.filled import SCALES


def main() -> int:
    """Run one verb; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab.source")
    parser.add_argument("verb", choices=("up", "down", "status"))
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--wal-level", choices=("logical", "replica"), default="logical")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        if arguments.verb == "up":
            say = lambda text: print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)  # noqa: E731
            centre.up(say, scale=arguments.scale, wal_level=arguments.wal_level)
        elif arguments.verb == "down":
            centre.down()
            print(f"down after {time.monotonic() - started:.1f} s")
        else:
            for host in centre.status():
                answer = "answers" if host.answers else "silent"
                print(f"{host.host:7} {host.address:15} {host.processes:3} processes, {answer}")
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
