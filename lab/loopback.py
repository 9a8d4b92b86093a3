"""Free ports of the loopback, and programs that run for as long as a block of code; none of them is the lab's."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
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
_HELD_MAX: Final = 200
_held: Final[dict[int, socket.socket]] = {}
"""The ports that this process was given lately, the earliest first: their servers may not listen yet."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, each another. Raises `LabError` when there are not so many.

    Between this moment and that in which a server listens nobody else who asks here gets them, in no process.
    """
    found: dict[int, socket.socket] = {}
    fresh = [port for port in random.SystemRandom().sample(_PORTS, len(_PORTS)) if port not in _held]
    for port in [*fresh, *(port for port in _held if port in _PORTS)]:
        if len(found) == count:
            break
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            found[port] = _held.get(port) or _hold(port)
    for port, held in found.items():
        _held.pop(port, None)
        _held[port] = held
    while len(_held) > max(_HELD_MAX, count):
        _held.pop(next(iter(_held))).close()
    if len(found) == count:
        return list(found)
    raise LabError(
        "no-free-port",
        what=f"there are not {count} free ports on the loopback",
        why=f"of {_PORTS.start} to {_PORTS.stop - 1}, {len(found)} are free",
        state="nothing was started",
        next="ss -ltnp   shows who listens",
    )


def _hold(port: int) -> socket.socket:
    """Keep a port from others of this network. Raises `OSError` when one of them was given it."""
    # A name of the kernel's own, which like the port is this network's alone, and free when this process has ended.
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(f"\0dcshift-port-{port}")
    except OSError:
        held.close()
        raise
    return held


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
