"""Runs a program and measures it: seconds, and the peak memory of everything that it started; Ctrl-C ends all."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from bench.results import Machine
from lab.errors import LabError

_SAMPLE_SECONDS: Final = 0.2
_HEARTBEAT_SECONDS: Final = 20.0
_GOODBYE_SECONDS_MAX: Final = 30.0
_TAIL_CHARACTERS: Final = 3_000
_SERVER: Final = "postgres"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a program took, and what it said on stdout."""

    seconds: float
    cpu_seconds: float
    """Of it and of all that it started and waited for: the same on a busy machine as on an idle one, nearly."""
    peak_memory_bytes: int
    stdout: str


@dataclass(slots=True)
class _Peak:
    """The largest sum, over a process and its descendants, of their proportional share of memory."""

    process: psutil.Process
    bytes: int
    stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self.stop.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, _memory_bytes(self.process))


def run(argv: Sequence[str], *, env: Mapping[str, str], log: Path, say: Say, limit_seconds: float) -> Measured:
    """Run a program to its end, saying its last line from time to time.

    Raises `LabError` when it fails or takes longer than `limit_seconds`.
    """
    began, cpu_before, lines = time.monotonic(), _cpu_seconds(), list[str]()
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        # Looked at now, not only at the first sample: it may have ended by then.
        peak = _Peak(started := psutil.Process(process.pid), _memory_bytes(started))
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        sampler = threading.Thread(target=peak.watch, daemon=True)
        reader.start()
        sampler.start()
        try:
            _wait(process, lines, say, limit_seconds)
            seconds = time.monotonic() - began
        finally:
            _end(process)
            peak.stop.set()
            sampler.join()
            reader.join(timeout=_GOODBYE_SECONDS_MAX)
    if process.returncode != 0:
        raise _failed(argv, process.returncode, "".join(lines[-20:]) + log.read_text(encoding="utf-8"))
    return Measured(seconds, _cpu_seconds() - cpu_before, peak.bytes, "".join(lines))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def this_machine() -> Machine:
    """Return where we are, and how busy that is now."""
    return Machine(
        cores=psutil.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        load_before=round(os.getloadavg()[0], 1),
    )


def tree_cpu_seconds(pid: int) -> float:
    """Return what a running server and all that it ever started used; it must wait for its children, as they do."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])  # of its own and of children that have ended, user and system
    return total


def machine_cpu_seconds() -> float:
    """Return what everything on this machine used since it was started."""
    used = psutil.cpu_times()
    return float(used.user + used.nice + used.system + used.irq + used.softirq)


def _memory_bytes(root: psutil.Process) -> int:
    """Return what all these processes hold; pages that several share count once, in parts.

    A database's server that one of them started is as little a part of it as one that was there before: its memory is
    what its own settings say.
    """
    total = 0
    with contextlib.suppress(psutil.Error):
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                if process.name() != _SERVER:
                    total += process.memory_full_info().pss
    return total


def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stdout is not None
    lines.extend(process.stdout)


def _wait(process: subprocess.Popen[str], lines: list[str], say: Say, limit_seconds: float) -> None:
    end, spoke = time.monotonic() + limit_seconds, time.monotonic()
    while process.poll() is None:
        time.sleep(0.05)
        if time.monotonic() > end:
            raise _failed(list(process.args), None, f"it did not end in {limit_seconds:.0f} s")  # type: ignore[arg-type]
        if time.monotonic() - spoke > _HEARTBEAT_SECONDS:
            spoke = time.monotonic()
            say(lines[-1].strip()[:100] if lines else "nothing said yet")


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that still runs: asked first, as Ctrl-C asks, then not asked, with whatever it left running."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GOODBYE_SECONDS_MAX)
    # What it started is of its group, and would go on beside the next program that is measured.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(argv: Sequence[str], status: int | None, why: str) -> LabError:
    return LabError(
        "bench-failed",
        what=f"{' '.join(argv[1:4])} {'was too slow' if status is None else f'exited with {status}'}",
        why=why.strip()[-_TAIL_CHARACTERS:] or "it said nothing",
        state="all that was started is stopped; the results of the last bench are unchanged",
        next="mend the cause, then run the same bench again",
    )
