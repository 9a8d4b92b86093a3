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


class UsageError(InfraError):
    """The words of the command line, or what they name, cannot be served."""


def end(work: Callable[[], int], *, as_json: bool) -> int:
    """Do a command's work and return its exit status; known faults are told without a traceback."""
    try:
        return work()
    except BrokenPipeError:
        sys.stderr.close()
        return YES
    except UsageError as fault:
        return _told(fault, USAGE, as_json)
    except InfraError as fault:
        return _told(fault, FAILED, as_json)
    except CatalogueError as fault:
        return _told(_of_catalogue(fault), USAGE, as_json)
    except ConfigError as fault:
        wrong = UsageError(
            "settings-refused",
            what="the stacks cannot be built from these settings",
            why=str(fault),
            state="nothing was written",
            next="mend what is named above, then run this again",
        )
        return _told(wrong, USAGE, as_json)


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
