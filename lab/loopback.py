"""Free ports of the loopback, and programs that run for as long as a block of code; none of them is the lab's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lab.errors import LabError

HOST: Final = "127.0.0.1"
_GOODBYE_SECONDS_MAX: Final = 60.0
_LOG_TAIL_CHARACTERS: Final = 2_000
# Below the ports that the kernel gives to outgoing connections: such a one may be taken before our server takes it.
_PORTS: Final = range(18_000, 27_000)
_GIVEN: Final[dict[int, None]] = {}
"""The ports that this process was given, the earliest first: a server of them may not listen yet, or not any more."""
_book: int | None = None


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, each another. Raises `LabError` when there are not so many.

    Between this moment and that in which a server listens nobody else who asks here gets them, in no process.
    """
    found: list[int] = []
    fresh = [port for port in random.SystemRandom().sample(_PORTS, len(_PORTS)) if port not in _GIVEN]
    for port in [*fresh, *(port for port in _GIVEN if port in _PORTS)]:
        if len(found) == count:
            break
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            # Noted as a lock of one byte: it ends with this process, however that ends.
            fcntl.lockf(_open_book(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            found.append(port)
    if len(found) == count:
        for port in found:
            _GIVEN.pop(port, None)
            _GIVEN[port] = None
        return found
    raise LabError(
        "no-free-port",
        what=f"there are not {count} free ports on the loopback",
        why=f"of {_PORTS.start} to {_PORTS.stop - 1}, {len(found)} are free",
        state="nothing was started",
        next="ss -ltnp   shows who listens",
    )


def _open_book() -> int:
    global _book  # noqa: PLW0603  closing any of its descriptors would end all locks of this process
    if _book is None:
        file = Path(tempfile.gettempdir()) / f"dcshift-ports-{os.getuid()}"
        _book = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return _book


def begin(
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    by: signal.Signals = signal.SIGINT,
) -> subprocess.Popen[bytes]:
    """Start a server that writes to `log`, as another user if told; one whose starter is killed is told to end."""
    # SIGINT ends nearly every server here soon and in order; at SIGTERM, PostgreSQL would wait for its clients.
    # Whoever was started in a shell's background ignores SIGINT, and so would all that he starts.
    hearing = ["env", "--default-signal=INT,TERM", "--"]
    words = [*hearing, "setpriv", *as_user(user), "--pdeathsig", by.name.removeprefix("SIG"), "--", *argv]
    with log.open("ab") as output:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd="/",
            # Ctrl-C is for whoever started us: what asks this server something must be able to end first.
            start_new_session=True,
        )


def unready(
    server: subprocess.Popen[bytes], log: Path, ask: Callable[[], str | None], *, seconds_max: float
) -> str | None:
    """Ask a server that was begun until it answers; None then, or why it does not: it ended, or the time is over.

    `ask` returns None when it was answered, else how it was refused. Why is the end of the log, or the last refusal.
    """
    deadline = time.monotonic() + seconds_max
    while (refused := ask()) is not None:
        if time.monotonic() > deadline or server.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARACTERS:].strip()
            return said or refused or "it said nothing"
        time.sleep(0.1)
    return None


def as_user(name: str | None) -> list[str]:
    """Return the words that make `setpriv` become somebody."""
    return [f"--reuid={name}", f"--regid={name}", "--clear-groups"] if name else []


def end(server: subprocess.Popen[bytes], by: signal.Signals = signal.SIGINT) -> None:
    """End a server by its pid: asked first, then not asked."""
    server.send_signal(by)
    try:
        server.wait(_GOODBYE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(_GOODBYE_SECONDS_MAX)


@contextlib.contextmanager
def running(
    argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for as long as the block."""
    server = begin(argv, log, env=env)
    try:
        yield server
    finally:
        end(server)
