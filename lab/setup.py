"""`python -m lab.setup`: builds everything that is built once (tools, root file systems, images); it starts nothing."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from lab import target
from lab.errors import LabError
from lab.images import WITHOUT_TOOLS, build_images
from lab.source import centre as source
from lab.source.filled import SCALES
from lab.toolchain import mariadb_servers, postgres_servers
from lab.toolchain.tools import TOOLS
from lab.toolchain.work import make_tools

_QUICK_SECONDS = 2.0


class _Lines:
    """Prints one line per change with the elapsed time, from several workers; quick set-ups stay quiet."""

    def __init__(self) -> None:
        self._began, self._lock, self._kept = time.monotonic(), threading.Lock(), list[str]()

    def say(self, who: str, text: str) -> None:
        with self._lock:
            seconds = time.monotonic() - self._began
            self._kept.append(f"  {int(seconds) // 60:2d}:{int(seconds) % 60:02d}  {who:<7} {text}")
            if seconds > _QUICK_SECONDS:
                print("\n".join(self._kept), flush=True)
                self._kept.clear()


def _data_and_applications(lines: _Lines, scale: str) -> None:
    source.prepare(lambda text: lines.say("source", text), scale=scale)
    # These images need none of the tools; the others wait for the compilers.
    build_images(WITHOUT_TOOLS, lambda text: lines.say("target", text))


def _servers_of_the_tests(lines: _Lines) -> str:
    """Fetch them and say how it went: only tests need them, so a machine that cannot have them gets all the rest."""
    postgres = ", ".join(postgres_servers.versions().values())
    what = f"PostgreSQL {postgres} and MariaDB {mariadb_servers.VERSION} for the movers' tests"
    try:
        for servers in (postgres_servers, mariadb_servers):
            servers.install(lambda text: lines.say("tests", text))
    except LabError as error:
        return f"{what}: not here, so those tests will fail: {error.what}: {error.why[-300:]}"
    return f"{what}: ready"


def main() -> int:
    """Build what is missing: Go tools beside the source's root file systems and data, then the target's images."""
    parser = argparse.ArgumentParser(prog="python -m lab.setup", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="tenth", help="how much data the source shall hold")
    scale = parser.parse_args().scale
    lines = _Lines()
    try:
        # Side by side: one waits for compilers, the other mostly for downloads and dpkg.
        with ThreadPoolExecutor(3) as pool:
            hosts = pool.submit(_data_and_applications, lines, scale)
            servers = pool.submit(_servers_of_the_tests, lines)
            plugin = pool.submit(make_tools, lambda text: lines.say("tools", text)).result()
            hosts.result()
        target.prepare(lambda text: lines.say("target", text))
        of_tests = servers.result()
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"setup: {len(TOOLS)} tools, both root file systems, images and data ready; Kubernetes plugin: {plugin}")
    print(f"setup: {of_tests}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
