"""Does work in a copy of this process that then ends: what the work needed of memory, and left behind, ends with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

from infra import ending
from infra.errors import InfraError


def done(work: Callable[[], None]) -> None:
    """Do the work, and raise here what it raised of the user's own faults. Raises `InfraError`.

    Nothing may have been started before that another thread serves: a copy of a process has one thread.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(work, theirs))
    process.start()
    theirs.close()
    try:
        told: dict[str, str] | None = ours.recv()
    except EOFError:
        told = None
    process.join()
    if told is None:
        raise InfraError(
            "stacks-not-judged",
            what="it could not be found out whether the stacks keep the rules",
            why=f"the process that judged them ended with {process.exitcode}; what it said stands above",
            state="nothing was written",
            next="dcshift render",
        )
    if told:
        raise InfraError(told.pop("code"), **told)


def _tell(work: Callable[[], None], pipe: Connection) -> None:
    try:
        work()
        pipe.send({})
    except ending.FAULTS as fault:
        thoughts = ending.thoughts(fault)
        pipe.send({name: getattr(thoughts, name) for name in ("code", "what", "why", "state", "next")})
