"""How the commands of this package speak and end: a result on stdout, four thoughts on stderr, the project's statuses.

0 done, and the answer is yes · 1 failed · 2 the request or the catalogue is wrong · 3 the answer is no · 130 stopped.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO

from catalogue.load import CatalogueError
from infra.errors import ConfigError, InfraError
from infra.hiding import hidden

YES: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO: Final = 3
STOPPED: Final = 130
FAULTS: Final = (ConfigError, CatalogueError, InfraError, ValueError)
"""What is wrong with the user's own files or settings, as opposed to with us."""


class UsageError(InfraError):
    """The words of the command line, or what they name, cannot be served."""


def end(work: Callable[[], int], *, as_json: bool) -> int:
    """Do a command's work and return its exit status; known faults are told without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text, and must not end the talk
    try:
        return work()
    except OSError as bad:
        if bad.filename is None:
            raise
        return _told(_of_file(bad), USAGE, as_json)
    except KeyboardInterrupt:
        note("stopped; what was said above is done, and the same command may be typed again")
        return STOPPED
    except (InfraError, CatalogueError, ConfigError) as fault:
        told = thoughts(fault)
        return _told(told, USAGE if isinstance(told, UsageError) else FAILED, as_json)


def thoughts(fault: Exception) -> InfraError:
    """Return a fault of the catalogue, of settings or of the program as an error in four thoughts."""
    if isinstance(fault, InfraError):
        return fault
    if isinstance(fault, CatalogueError):
        return _of_catalogue(fault)
    if isinstance(fault, ConfigError):
        return UsageError(
            "settings-refused",
            what="the stacks cannot be built from these settings",
            why=str(fault),
            state="nothing was written",
            next="mend what is named above, then run this again",
        )
    return InfraError(
        "program-refused",
        what="the program cannot declare this stack",
        why=f"{type(fault).__name__}: {fault}",
        state="what it declared before may have been applied; everything else is as it was",
        next="mend what is named above, then run this again: it goes on from there",
    )


def say(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Say a result once: as one JSON document, or as people read it."""
    with _whoever_listens(sys.stdout):
        said = json.dumps(document, ensure_ascii=False, indent=1) if as_json else text.rstrip()
        sys.stdout.write(f"{hidden(said)}\n")


def note(text: str) -> None:
    """Say what happens now, on stderr."""
    with _whoever_listens(sys.stderr):
        sys.stderr.write(f"{hidden(text)}\n")


@contextlib.contextmanager
def _whoever_listens(stream: TextIO) -> Iterator[None]:
    """Let a reader that went away (`| head`, a closed terminal) end the talk and nothing else.

    A deployment must not be broken off half-way because nobody reads of it, and the exit status stays the true one.
    """
    try:
        yield
        stream.flush()
    except OSError as bad:
        if bad.errno not in (errno.EPIPE, errno.EIO):
            raise
        # What is still buffered goes where it disturbs nobody; else the interpreter would fail at its end.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _told(fault: InfraError, status: int, as_json: bool) -> int:
    thoughts = {name: getattr(fault, name) for name in ("code", "what", "why", "state", "next")}
    note(json.dumps({"error": thoughts}, ensure_ascii=False) if as_json else str(fault))
    return status


def _of_file(bad: OSError) -> InfraError:
    return UsageError(
        "file-unusable",
        what=f"{bad.filename} cannot be used",
        why=bad.strerror or str(bad),
        state="what was said above is done; nothing more was changed",
        next="name another file or folder, or let it be read and written, then type the same command again",
    )


def _of_catalogue(fault: CatalogueError) -> InfraError:
    count = len(fault.faults)
    return UsageError(
        "catalogue-faulty",
        what=f"the catalogue has {count} fault{'s' if count > 1 else ''}",
        why="\n         ".join(str(each) for each in fault.faults),
        state="nothing was written",
        next="mend the lines named above, then dcshift catalogue check",
    )
