"""One private server of each PostgreSQL major that set-up fetched, started once and all together."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from lab.loopback import free_ports
from lab.toolchain import postgres_servers
from migration.movers import memory, room
from tests.support.local_servers import Server

Standing = dict[int, Server]
_DATA_BYTES_MAX: Final = 2**30


@contextmanager
def standing() -> Iterator[Standing]:
    """Yield the servers by major; all are stopped at the end."""
    majors = postgres_servers.versions()
    with ExitStack() as stack:
        folder, beside = _folder(stack, _for_data()), _folder(stack, None)
        ports = free_ports(len(majors))
        made = {m: Server(folder / str(m), _reachable(m, beside), port) for m, port in zip(majors, ports, strict=True)}

        first, *others = made.values()
        first.create(first.folder / "data")  # it makes the authority of all certificates
        with ThreadPoolExecutor(len(others)) as pool:
            list(pool.map(lambda server: server.create(server.folder / "data"), others))
        for server in made.values():  # not in those threads: a server is told to end when the thread that began it ends
            server.start()
            stack.callback(server.stop)
        yield made


def _for_data() -> Path | None:
    """Return memory if it has room: five times initdb is little work and much to write."""
    place = memory.folder()
    return place if room.free_bytes(place) > _DATA_BYTES_MAX else None


def _folder(stack: ExitStack, where: Path | None) -> Path:
    # Not below pytest's own folder: the servers run as another user, who may not enter that.
    made = tempfile.TemporaryDirectory(prefix="dcshift-test-", dir=where, ignore_cleanup_errors=True)
    folder = Path(stack.enter_context(made))
    folder.chmod(0o755)
    return folder


def _reachable(major: int, folder: Path) -> Path:
    """Return programs that a server's user may run: root's own folders are closed to him."""
    programs = postgres_servers.programs(major)
    if os.geteuid() != 0:
        return programs
    again = folder / f"programs-{major}"
    shutil.copytree(programs.parent, again, symlinks=True, copy_function=_second_name)
    return again / programs.name


def _second_name(file: str, name: str) -> None:
    try:
        os.link(file, name)
    except OSError:  # the cache lies on another disk
        shutil.copy2(file, name)
