"""`python -m lab.source prepare|up|down|status`: the source by itself, for trying; people use `dcshift lab`."""

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
    parser.add_argument("verb", choices=("prepare", "up", "down", "status"))
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--wal-level", choices=("logical", "replica"), default="logical")
    arguments = parser.parse_args()
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)

    try:
        if arguments.verb == "prepare":
            centre.prepare(say, scale=arguments.scale)
        elif arguments.verb == "up":
            centre.up(say, scale=arguments.scale, wal_level=arguments.wal_level)
            say("db1 app1 files1 edge1 answer")
        elif arguments.verb == "down":
            centre.down()
            say("nothing of the source is left")
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
