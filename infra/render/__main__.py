"""`python -m infra.render`, behind `dcshift render`: writes the manifests of every stack; it asks no cluster."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from infra import ending
from infra.ending import UsageError
from infra.errors import InfraError
from infra.render.building import built
from infra.render.declared import stacks
from infra.render.judging import refuse_breaches
from infra.render.manifests import manifests, write
from infra.render.stack_files import FOLDER, file_of, settings_of


def render(output: Path, only: str | None, settings: Path = FOLDER) -> tuple[dict[str, Any], str]:
    """Write the manifests and return what was written, as a document and as people read it."""
    known = list(stacks())
    if only is not None and only not in known:
        raise UsageError(
            "stack-unknown",
            what=f"there is no stack {only!r}",
            why=f"the catalogue's stacks are {', '.join(known)}",
            state="nothing was written",
            next=f"dcshift render --stack {known[-1]}",
        )
    # Everything is built before anything is written: a fault of the last stack leaves the folder as it was.
    wanted = [built(stack, settings) for stack in ([only] if only else known)]
    refuse_breaches(wanted)
    made = {each.stack: manifests(each) for each in wanted}
    rows, lines = [], []
    for stack, found in made.items():
        try:
            changed = write(output / stack, found)
        except OSError as bad:
            raise InfraError(
                "render-not-written",
                what=f"the manifests of stack {stack} could not be written",
                why=str(bad),
                state="stacks before it are written, this one in part",
                next="give a folder that can be written with --output",
            ) from bad
        kinds = dict(sorted(Counter(manifest.kind for manifest in found).items()))
        used = str(file_of(stack, settings)) if settings_of(stack, settings) else None
        rows.append({"stack": stack, "objects": len(found), "changed": changed, "settings": used, "kinds": kinds})
        told = f"  with {file_of(stack).name}" if used else ""
        lines.append(f"  {stack:<20} {len(found):>4} objects  {changed:>4} files changed{told}")
    total = sum(len(found) for found in made.values())
    document = {"folder": str(output), "objects": total, "stacks": rows}
    stacks_said = f"{len(made)} stack{'s' if len(made) > 1 else ''}"
    return document, "\n".join([*lines, f"{output}: {total} objects of {stacks_said}, one file each"])


def main() -> int:
    """Render and say what was written; returns the exit status."""
    parser = argparse.ArgumentParser(prog="dcshift render", description=__doc__)
    parser.add_argument("--stack", help="only this stack")
    parser.add_argument("--output", type=Path, default=Path("build/render"), help="folder for the manifests")
    parser.add_argument("--settings", type=Path, default=FOLDER, help="folder of the stacks' own settings")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()

    def work() -> int:
        document, text = render(given.output, given.stack, given.settings)
        ending.say(document, text, as_json=given.json)
        return ending.YES

    return ending.end(work, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
