"""How every verb speaks: people's text or JSON on stdout, progress and errors on stderr; it decides nothing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from migration.model.words import Finding, Proof


@dataclass(slots=True)
class Output:
    """The one output of this process."""

    json: bool = False
    told: bool = False
    """Whether the result was said."""

    def result(self, document: Mapping[str, Any], people: Callable[[], None]) -> None:
        """Say the result once: as one JSON document, or as people read it."""
        self.told = True
        with whoever_listens(sys.stdout):
            if self.json:
                print(json.dumps(document, ensure_ascii=False, indent=1, default=str))
            else:
                people()

    def note(self, sentence: str) -> None:
        """Say what happens now, on stderr."""
        with whoever_listens(sys.stderr):
            print(sentence, file=sys.stderr)

    def error(self, error: Mapping[str, Any], text: str) -> None:
        """Say what went wrong, on stderr: the four thoughts, or the same as JSON."""
        with whoever_listens(sys.stderr):
            print(json.dumps({"error": dict(error)}, ensure_ascii=False) if self.json else text, file=sys.stderr)


@contextlib.contextmanager
def whoever_listens(stream: TextIO) -> Iterator[None]:
    """Let a reader that went away (`| head`, a closed terminal) end the talk and nothing else.

    What is at work goes on and keeps its exit status: a move must not be broken off because nobody reads of it. The
    journal has everything that is no longer said.
    """
    try:
        yield
        stream.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        _hush(stream)
    except SystemExit:
        _hush(stream)  # rich ends the process when its pipe breaks


def _hush(stream: TextIO) -> None:
    # What is still in Python's buffers goes where it disturbs nobody; else the interpreter would fail at its end.
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


OUT = Output()


def console(*, stderr: bool = False) -> Console:
    """Return a console that keeps tables readable in pipes and logs."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else int(os.environ.get("COLUMNS") or 140)
    return Console(file=file, width=width, highlight=False, soft_wrap=False)


def live() -> bool:
    """Say whether progress can be drawn in place."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in (None, "", "dumb")


def seconds(value: float | None) -> str:
    """Return a duration as people read it: `0.8 s`, `42 s`, `3:05`, `2:10:00`."""
    if value is None:
        return ""
    if value < 10:
        return f"{value:.1f} s"
    if value < 100:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 proof` or `5 proofs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size(value: float) -> str:
    """Return bytes as people read them."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def finding_rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [
        {"severity": f.severity, "code": f.code, "where": f.where, "what": f.what, "next": f.next} for f in findings
    ]


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings, the worst first, each with what to do."""
    order = {"blocker": 0, "warning": 1, "info": 2}
    colour = {"blocker": "bold red", "warning": "yellow", "info": "cyan"}
    out = console()
    for found in sorted(findings, key=lambda finding: (order[finding.severity], finding.where)):
        style = colour[found.severity]
        out.print(f"[{style}]{found.severity}[/]\\[{found.code}] ", end="")
        out.print(f"{found.where}: {found.what}", markup=False)
        out.print(f"  next: {found.next}", markup=False)


def print_proofs(proofs: Iterable[Proof]) -> None:
    """Print proofs with their sentences, and every kept difference that the sentence is not itself."""
    out = console()
    for proof in proofs:
        out.print("[green]✓[/]" if proof.passed else "[bold red]✗[/]", end=" ")
        out.print(f"{proof.name:<16} {proof.sentence}", markup=False)
        for difference in proof.differences:
            if difference == proof.sentence:
                continue
            out.print(f"    {difference}", markup=False)
