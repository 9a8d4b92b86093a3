"""Every error of the migration, each in four thoughts: what, why, state, next.

MigrationError
├── UsageError      the request was wrong or cannot be served now; nothing was changed      exit 2
├── BlockedError    findings forbid it; nothing was changed                                 exit 3
├── StepFailed      a step did not reach its effect; the engine decides what follows        exit 1
└── NeedsOperator   the state is unknown or an undo failed: a person must look              exit 4
"""

from __future__ import annotations

from typing import ClassVar


class MigrationError(Exception):
    """An error with a stable kebab-case code; each code is a heading in docs/errors.md."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, *, what: str, why: str, state: str, next: str) -> None:
        super().__init__(what)
        self.code, self.what, self.why, self.state, self.next = code, what, why, state, next

    def __str__(self) -> str:
        return f"error[{self.code}]: {self.what}\n  why:   {self.why}\n  state: {self.state}\n  next:  {self.next}"

    def as_dict(self) -> dict[str, str]:
        """Return the four thoughts for the journal and for `--json`."""
        return {"code": self.code, "what": self.what, "why": self.why, "state": self.state, "next": self.next}


class UsageError(MigrationError):
    exit_code = 2


class BlockedError(MigrationError):
    exit_code = 3


class StepFailed(MigrationError):  # noqa: N818 (the word of the domain)
    exit_code = 1


class NeedsOperator(MigrationError):  # noqa: N818 (the word of the domain)
    exit_code = 4
