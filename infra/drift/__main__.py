"""`python -m infra.drift [STACK…]`, behind `dcshift drift`: what in the cluster is not as declared, by whom and when.

It reads the declared objects and the live ones, field by field, and writes nothing. Exit: 0 nothing drifted · 3 some
field did, or an object is gone · 1 the cluster could not be read · 2 the words or the catalogue are wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from infra import cluster_api, ending
from infra.drift.compare import Class, Difference, compare
from infra.ending import UsageError
from infra.live import Live
from infra.render.building import built
from infra.render.declared import Built, stacks
from infra.render.stack_files import FOLDER

_WIDTH_MAX: Final = 60
_SAID: Final = {
    Class.GONE: "`up` after `pulumi refresh` makes it again",
    Class.DRIFT: "`up` sets it again, once the state was refreshed",
    Class.SHARED: "two hold it, with one value",
    Class.PENDING: "declared and not applied yet: `up` does it",
}
_WHOLE: Final = "of the stack"
_NEVER: Final = "the stack was never applied, or all of it was taken away: `up` after `pulumi refresh` makes it"
_BESIDE: Final = "nobody declared it, and `up` leaves it: take it away by hand"
_REFUSED: Final = "`up` is refused there until that one gives it up, or it is declared so"


def differences(wanted: Iterable[Built], live: Live) -> Iterator[Difference]:
    """Yield every difference between what stacks declare and what is there. Raises `InfraError`."""
    for each in wanted:
        found = list(_of(each, live))
        gone = {one.object for one in found if one.cls is Class.GONE}
        if len(each.objects) > 1 and len(gone) == len(each.objects):
            # One sentence for all of it: a stack that nobody applied yet is no list of lost objects.
            yield Difference(each.stack, f"all {len(gone)} objects", _WHOLE, Class.GONE, None, None)
        else:
            yield from found


def _of(stack: Built, live: Live) -> Iterator[Difference]:
    for declared in stack.objects:
        document = declared.inputs
        identity = f"{document['kind']} {declared.identity.partition(' ')[2]}"
        if not live.serves(document):
            kind = f"{document['apiVersion']} {document['kind']}"
            yield Difference(stack.stack, identity, "its whole kind", Class.GONE, kind, None)
            continue
        yield from compare(stack.stack, identity, document, live.read(document))


def told(found: Sequence[Difference]) -> str:
    """Return it as people read it: the worst first, one field a paragraph."""
    order = list(Class)
    lines = []
    for each in sorted(found, key=lambda one: (order.index(one.cls), one.stack, one.object, one.field)):
        what = _REFUSED if each.refuses else _BESIDE if each.cls is Class.DRIFT and each.beside else _SAID[each.cls]
        lines.append(f"{each.cls:<8} {each.object} {each.field} (stack {each.stack})")
        if each.cls is not Class.GONE:
            lines.append(f"         ours {_short(each.ours)} · there {_short(each.theirs)}")
            lines.append(f"         by {each.who}{f', {each.when}' if each.when else ''}")
        lines.append(f"         {_NEVER if each.field == _WHOLE else what}")
    counts = {each: sum(1 for one in found if one.cls is each) for each in Class}
    summary = ", ".join(f"{count} {each}" for each, count in counts.items() if count)
    return "\n".join([*lines, summary or "every declared field is as declared, and ours alone"])


def row(each: Difference) -> dict[str, Any]:
    """Return one difference as data."""
    return {
        "stack": each.stack,
        "object": each.object,
        "field": each.field,
        "class": str(each.cls),
        "ours": each.ours,
        "theirs": each.theirs,
        "manager": each.manager or None,
        "who": each.who,
        "beside": each.beside,
        "certain": each.held,
        "when": each.when or None,
        "refuses": each.refuses,
    }


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _WIDTH_MAX else f"{text[:_WIDTH_MAX]}…"


def main() -> int:
    """Compare and say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="dcshift drift", description=__doc__)
    parser.add_argument("stack", nargs="*", help="only these; every stack of the catalogue by default")
    parser.add_argument("--settings", type=Path, default=FOLDER, help="folder of the stacks' own settings")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()

    def work() -> int:
        known = list(stacks())
        if unknown := [stack for stack in given.stack if stack not in known]:
            raise UsageError(
                "stack-unknown",
                what=f"there is no stack {unknown[0]!r}",
                why=f"the catalogue's stacks are {', '.join(known)}",
                state="nothing was read",
                next="dcshift drift, for all of them",
            )
        wanted = [built(stack, given.settings) for stack in known if stack in (given.stack or known)]
        found = list(differences(wanted, Live(cluster_api.connected())))
        document = {"stacks": [each.stack for each in wanted], "differences": [row(each) for each in found]}
        ending.say(document, told(found), as_json=given.json)
        bad = any(each.cls in (Class.GONE, Class.DRIFT) for each in found)
        return ending.NO if bad else ending.YES

    return ending.end(work, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
