"""How the commands of this package speak and end: a result on stdout, four thoughts on stderr, the project's statuses.

0 done, and the answer is yes · 1 failed · 2 the request or the catalogue is wrong · 3 the answer is no.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

from catalogue.load import CatalogueError
from infra.config import ConfigError
from infra.errors import InfraError

YES: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO: Final = 3
FAULTS: Final = (ConfigError, CatalogueError, InfraError, ValueError)
"""What is wrong with the user's own files or settings, as opposed to with us."""


class UsageError(InfraError):
    """The words of the command line, or what they name, cannot be served."""


def end(work: Callable[[], int], *, as_json: bool) -> int:
    """Do a command's work and return its exit status; known faults are told without a traceback."""
    try:
        return work()
    except BrokenPipeError:
        sys.stderr.close()
        return YES
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
    sys.stdout.write(f"{json.dumps(document, ensure_ascii=False, indent=1) if as_json else text.rstrip()}\n")
    sys.stdout.flush()


def _told(fault: InfraError, status: int, as_json: bool) -> int:
    thoughts = {name: getattr(fault, name) for name in ("code", "what", "why", "state", "next")}
    sys.stderr.write(f"{json.dumps({'error': thoughts}, ensure_ascii=False) if as_json else fault}\n")
    return status


def _of_catalogue(fault: CatalogueError) -> InfraError:
    count = len(fault.faults)
    return UsageError(
        "catalogue-faulty",
        what=f"the catalogue has {count} fault{'s' if count > 1 else ''}",
        why="\n         ".join(str(each) for each in fault.faults),
        state="nothing was written",
        next="mend the lines named above, then dcshift catalogue check",
    )
