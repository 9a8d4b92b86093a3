"""`python -m infra.identities [NAME]`, behind `dcshift identity`: says who may do what, or lends one for a while."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from catalogue.load import load
from infra import naming
from infra.config import catalogue_folder
from infra.ending import YES, UsageError, end, say
from infra.identities.token import lend, write
from infra.rights.identities import Identity, everyone

_MINUTES_MIN: Final = 10
"""The API server makes no token that ends sooner."""
_MINUTES_MAX: Final = 720
_BREAK_GLASS_MINUTES_MAX: Final = 60


def main() -> int:
    """Say who there is, or write one's kubeconfig; returns the exit status."""
    parser = argparse.ArgumentParser(prog="dcshift identity", description=__doc__)
    parser.add_argument("name", nargs="?", help="whose kubeconfig; all identities are listed by default")
    parser.add_argument("--output", type=Path, help="the file; build/identities/NAME.kubeconfig by default")
    parser.add_argument("--minutes", type=int, default=_BREAK_GLASS_MINUTES_MAX, help="how long the token is good")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    words = parser.parse_args()
    return end(lambda: _run(words), as_json=words.json)


def _run(words: argparse.Namespace) -> int:
    known = everyone(load(catalogue_folder()).systems)
    if words.name is None:
        document = {"identities": [_row(each) for each in known]}
        text = "\n".join(f"  {each.name:<16} {each.people:<22} {each.purpose}" for each in known)
        say(document, f"  {'identity':<16} {'group':<22} what for\n{text}", as_json=words.json)
        return YES
    _check(words.name, words.minutes, known)
    file = words.output or Path("build") / "identities" / f"{words.name}.kubeconfig"
    lent = lend(words.name, words.minutes)
    write(file, lent)
    said = {"identity": words.name, "file": str(file), "expires": lent.expires}
    say(said, f"{file}: {words.name} until {lent.expires}; whoever reads this file is it", as_json=words.json)
    return YES


def _row(identity: Identity) -> dict[str, Any]:
    return {"name": identity.name, "group": identity.people, "purpose": identity.purpose}


def _check(name: str, minutes: int, known: list[Identity]) -> None:
    names = [each.name for each in known]
    if name not in names:
        raise UsageError(
            "identity-unknown",
            what=f"there is no identity {name!r}",
            why=f"this catalogue's centre has {', '.join(names)}",
            state="nothing was asked and nothing was written",
            next=f"dcshift identity {names[0]}",
        )
    longest = _BREAK_GLASS_MINUTES_MAX if name == naming.BREAK_GLASS else _MINUTES_MAX
    if not _MINUTES_MIN <= minutes <= longest:
        raise UsageError(
            "token-lifetime-refused",
            what=f"no token of {name} is made for {minutes} minutes",
            why=f"it is good for {_MINUTES_MIN} to {longest} minutes",
            state="nothing was asked and nothing was written",
            next=f"dcshift identity {name} --minutes {_MINUTES_MIN}",
        )


if __name__ == "__main__":
    sys.exit(main())
