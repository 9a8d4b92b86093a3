"""Shows a run while it goes: bars on a terminal, a line per change elsewhere, a small file for `status`; no more."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from migration.cli.output import OUT, live, plural, seconds, whoever_listens
from migration.model.plan import Step
from migration.model.run import Event, Kind, Verb
from migration.model.words import Progress, Severity
from migration.ports import Clock

if TYPE_CHECKING:
    from rich.progress import TaskID

_FILE_SECONDS = 1.0
_LINE_SECONDS = 5.0


class Show:
    """Port `Listener` for a person; use as a context manager."""

    def __init__(self, progress_file: Path, clock: Clock) -> None:
        self._file, self._clock = progress_file, clock
        self._file_at = self._line_at = float("-inf")
        self._began: dict[str, float] = {}
        self._blockers: list[str] = []
        """Found before the step at hand and not said yet: if it is not begun, the ending says them, with what to do."""
        self._bars: Any = None
        self._task: TaskID | None = None

    def __enter__(self) -> Show:
        if live() and not OUT.json:
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[said]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True, highlight=False),
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        with whoever_listens(sys.stderr):
            if self._bars is not None:
                self._bars.stop()
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def recorded(self, event: Event, step: Step | None) -> None:
        """Say what was recorded, in one line per change."""
        if step is not None:
            with whoever_listens(sys.stderr):
                self._recorded(event, step)

    def _recorded(self, event: Event, step: Step) -> None:
        if event.kind in (Kind.DONE, Kind.FAILED, Kind.INTERRUPTED):
            self._say_blockers(event)
        match event.kind:
            case Kind.STARTED:
                undo = event.content["verb"] == Verb.UNDO
                self._began[step.id] = event.at
                self._begin(f"way back of {step.id}" if undo else step.id, "" if undo else step.sentence)
            case Kind.DONE:
                proofs = event.content.get("proofs")
                count = len(proofs) if isinstance(proofs, list) else 0
                took = seconds(event.at - self._began.get(step.id, event.at))
                self._line(
                    "[green]✓[/]", f"{step.id}  {took}" + (f"  {plural(count, 'proof')} passed" if count else "")
                )
            case Kind.UNDONE:
                took = seconds(event.at - self._began.get(step.id, event.at))
                self._line("[yellow]↩[/]", f"{step.id} undone  {took}")
            case Kind.FAILED | Kind.UNDO_FAILED:
                error = event.content["error"]
                what = error["what"] if isinstance(error, dict) else ""
                verb = "way back of " if event.kind is Kind.UNDO_FAILED else ""
                self._line("[bold red]✗[/]", f"{verb}{step.id} failed: {what}")
            case Kind.PROBED:
                self._line("[cyan]?[/]", f"{step.id} was broken off; now it is {event.content['state']}")
            case Kind.FOUND:
                findings = event.content["findings"]
                for found in findings if isinstance(findings, list) else []:
                    if isinstance(found, dict):
                        self._found(str(found["severity"]), f"{found['where']}: {found['what']}")
            case _:
                return

    def _found(self, severity: str, sentence: str) -> None:
        if severity == Severity.BLOCKER:
            self._blockers.append(sentence)
        else:
            self._line("[yellow]![/]", f"{severity} at {sentence}")

    def _say_blockers(self, event: Event) -> None:
        """Say what a step was begun in spite of, unless its own error says it: a freeze is ended, whatever is found."""
        error = event.content.get("error")
        said = str(error["why"]) if isinstance(error, dict) else ""
        for sentence in self._blockers:
            if sentence not in said:
                self._line("[yellow]![/]", f"{Severity.BLOCKER} at {sentence}")
        self._blockers.clear()

    def progressed(self, step: Step, progress: Progress) -> None:
        """Draw long work; on a dumb terminal at most one line in five seconds."""
        now = self._clock.monotonic()
        said = _sentence(progress)
        if self._bars is not None and self._task is not None:
            with whoever_listens(sys.stderr):
                self._bars.update(self._task, total=progress.total, completed=progress.done, said=said)
        elif now - self._line_at >= _LINE_SECONDS:
            self._line_at = now
            OUT.note(f"  {step.id}  {said}")
        if now - self._file_at >= _FILE_SECONDS:
            self._file_at = now
            fresh = self._file.with_suffix(f".{os.getpid()}")
            with contextlib.suppress(OSError):
                fresh.write_text(json.dumps({"step": step.id, "said": said, "at": self._clock.now()}), encoding="utf-8")
                fresh.replace(self._file)

    def said(self, sentence: str) -> None:
        with whoever_listens(sys.stderr):
            self._line("[cyan]·[/]", sentence)

    def _begin(self, what: str, sentence: str) -> None:
        if self._bars is None:
            OUT.note(f"… {what}: {sentence}" if sentence else f"… {what}")
            return
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(what, total=None, said=sentence)

    def _line(self, sign: str, text: str) -> None:
        if self._bars is None:
            OUT.note(f"{sign[sign.index(']') + 1 : sign.rindex('[')]} {text}")
            return
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._bars.console.print(sign, text.replace("[", "\\["))


def _sentence(progress: Progress) -> str:
    share = f"{100 * progress.done / progress.total:.0f} %" if progress.total else f"{progress.done:,} {progress.unit}"
    if progress.rows_done:
        share += f" ({progress.rows_done:,} rows)"
    if progress.waits:  # nobody knows for how long: no time left is said
        return f"{progress.what}{f' {share}' if progress.total else ''}  waits: {progress.waits}"
    rate, left = "", ""
    if progress.rate_per_second:
        rate = f"  {progress.rate_per_second:,.0f} {progress.unit}/s"
        if progress.total:
            left = f"  {seconds(max(0, progress.total - progress.done) / progress.rate_per_second)} left"
    if progress.seconds_left is not None:
        left = f"  {seconds(progress.seconds_left)} left"
    return f"{progress.what} {share}{rate}{left}"
