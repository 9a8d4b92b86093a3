"""Judges what stacks declare by every rule before anything of it is written, so that nobody hears it from the cluster.

`python -m infra.render.judging STACK` judges one stack under the settings in `PULUMI_CONFIG`. The Pulumi program asks
that in a process of its own: mocks are global, and the program's own process belongs to the engine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Final

from infra import ending
from infra.errors import InfraError
from infra.render.building import built_from
from infra.render.declared import Built
from infra.rules import facts
from infra.rules.judge import Breach, breaches

_SECONDS_MAX: Final = 180
_PREFIX: Final = "dcshift:"
_NEXT: Final = {
    "image-by-digest": "pulumi config set dcshift:image RELEASE@sha256:… --stack {stack}",
    "database-instances-of-level": "take dcshift:databaseInstances away: the level's number is the default",
    "database-image-of-registry": "name a tag that is not latest in dcshift:postgresTag",
}


def refuse_breaches(stacks: Iterable[Built]) -> None:
    """Raise `InfraError` naming every object of these stacks that breaks a rule of its centre."""
    found = [(built.stack, breach) for built in stacks for breach in _of(built)]
    if not found:
        return
    named = sorted({stack for stack, _ in found})
    count = f"{len(found)} breach{'es' if len(found) > 1 else ''}"
    raise InfraError(
        "rules-broken",
        what=f"what stack{'s' if len(named) > 1 else ''} {', '.join(named)} would write is not allowed: {count}",
        why="\n         ".join(sorted(f"stack {stack}: {breach}" for stack, breach in found)),
        state="nothing of this was written",
        next="; ".join(dict.fromkeys(_next(stack, breach.rule.id) for stack, breach in found)),
    )


def _of(built: Built) -> list[Breach]:
    assert built.settings is not None
    return list(breaches([each.item for each in built.objects], facts.of(built.settings)))


def _next(stack: str, rule: str) -> str:
    return _NEXT.get(rule, "mend the catalogue or the program, as docs/rules.md asks").format(stack=stack)


def ask(stack: str) -> None:
    """Have a stack judged with the engine's own settings. Raises `InfraError` where it may not be written."""
    argv = [sys.executable, "-m", "infra.render.judging", stack]
    try:
        # The catalogue's folder may be named from where the engine was called: nothing here changes the folder.
        asked = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as late:
        raise _unjudged(stack, str(late)) from late
    if asked.returncode != ending.YES:
        raise _refusal(asked.stderr) or _unjudged(stack, asked.stderr[-2000:] or f"it ended with {asked.returncode}")


def _refusal(stderr: str) -> InfraError | None:
    # Not simply the last line: an interpreter that ends may still tell of an event loop that it could not close.
    for line in reversed(stderr.splitlines()):
        try:
            thoughts = json.loads(line)["error"]
            return InfraError(thoughts.pop("code"), **thoughts)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return None


def _unjudged(stack: str, why: str) -> InfraError:
    return InfraError(
        "stack-not-judged",
        what=f"it could not be found out whether stack {stack} keeps the rules",
        why=why,
        state="nothing of this stack was written",
        next=f"dcshift render --stack {stack}",
    )


def main() -> int:
    """Judge the stack that is named; returns the exit status, the fault is JSON on stderr."""
    stack = sys.argv[1]
    settings = json.loads(os.environ.get("PULUMI_CONFIG") or "{}")
    own = {key.removeprefix(_PREFIX): str(value) for key, value in settings.items() if key.startswith(_PREFIX)}

    def work() -> int:
        refuse_breaches([built_from(stack, own)])
        return ending.YES

    return ending.end(work, as_json=True)


if __name__ == "__main__":
    sys.exit(main())
