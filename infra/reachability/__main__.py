"""`python -m infra.reachability`, behind `dcshift network`: which packets the declared network lets through.

Without words: the matrix, and the proof that nothing is open that must not be. With two: may A reach B at a port, and
by which policies. It computes from the manifests and asks no cluster. Exit: 0 open, or nothing forbidden is open ·
3 closed, or a forbidden path is open · 2 the words or the catalogue are wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any, Final

from infra import ending
from infra.ending import UsageError
from infra.errors import InfraError
from infra.reachability import matrix
from infra.reachability.centre import Centre, of
from infra.reachability.ends import End, numbers
from infra.reachability.network import Side, Verdict
from infra.reachability.ports import PORT_MAX, PROTOCOLS, said
from infra.reachability.proof import Proof, prove
from infra.render.building import built
from infra.render.declared import stacks
from infra.render.manifests import manifests
from infra.render.stack_files import FOLDER

_TARGET: Final = re.compile(r"(?P<name>[^:]+)(:(?P<port>[a-z0-9-]+)(/(?P<protocol>[a-zA-Z]+))?)?")
Told = tuple[dict[str, Any], str, int]


def centre(settings_folder: Path = FOLDER) -> Centre:
    """Build every stack, each with its schema migration, and read the network from the manifests."""
    documents, settings = [], None
    for stack in stacks():
        made = built(stack, settings_folder, migrate="true")
        documents += [manifest.document for manifest in manifests(made)]
        settings = settings or made.settings
    assert settings is not None
    try:
        return of(documents, settings)
    except ValueError as bad:
        raise InfraError(
            "policy-unreadable",
            what="a network policy cannot be judged",
            why=str(bad),
            state="nothing was proved",
            next="mend the policy in infra/components/network_policies.py",
        ) from bad


def whole(found: Centre) -> Told:
    """Return the matrix with the proof."""
    began = time.monotonic()
    proof, tables = prove(found), matrix.text(found)
    seconds = time.monotonic() - began
    document = {
        "ends": len(found.ends),
        "policies": found.policies,
        "pairs": proof.pairs,
        "pairs_between_systems": proof.between_systems,
        "seconds": round(seconds, 3),
        "matrix": matrix.matrix(found),
        "integrations": [f"{each.source} {each.target}/web:{said(each.ports)}" for each in found.integrations],
        "breaches": [
            {"rule": each.rule, "ports": said(each.ports), **_document(each.verdict)} for each in proof.breaches
        ],
    }
    return (
        document,
        f"{tables}\n\n{_proved(found, proof)} ({seconds:.1f} s)",
        ending.NO if proof.breaches else ending.YES,
    )


def _proved(found: Centre, proof: Proof) -> str:
    looked = f"{proof.pairs} pairs of {len(found.ends)} ends under {found.policies} policies, every port"
    if not proof.breaches:
        ways = len(found.integrations)
        declared = (
            f"but {ways} declared integration{'s' if ways > 1 else ''}" if ways else "(no integration is declared)"
        )
        return f"{looked}: no path between two systems {declared}; none from the internet or a stranger to any of them"
    count = len(proof.breaches)
    lines = [line for breach in proof.breaches for line in breach.sentences()]
    return "\n".join([*lines, f"{looked}: {count} forbidden path{'s' if count > 1 else ''} open"])


def asked(found: Centre, source: str, target: str) -> Told:
    """Return the answer about one path."""
    words = _TARGET.fullmatch(target)
    if words is None:
        raise _unclear(f"{target!r} is no end with a port")
    here, there = _end(found, source), _end(found, words["name"])
    if not words["port"]:
        ports = found.network.open_ports(here, there)
        document = {"source": here.name, "target": there.name, "ports": said(ports), "allowed": bool(ports)}
        return document, f"{here.name} → {there.name}: {said(ports) if ports else 'nothing'}", _status(bool(ports))
    protocol = (words["protocol"] or "tcp").upper()
    if protocol not in PROTOCOLS:
        raise _unclear(f"{words['protocol']!r} is none of {', '.join(PROTOCOLS).lower()}")
    verdict = found.network.verdict(here, there, _number(there, words["port"], protocol), protocol)
    answer = "yes" if verdict.allowed else "no"
    lines = [f"{answer}: {here.name} → {target}", *_sides(verdict)]
    return _document(verdict), "\n".join(lines), _status(verdict.allowed)


def _sides(verdict: Verdict) -> list[str]:
    return [f"  {verdict.egress.sentence('out')}", f"  {verdict.ingress.sentence('in')}"]


def _status(allowed: bool) -> int:
    return ending.YES if allowed else ending.NO


def _number(end: End, port: str, protocol: str) -> int:
    if not port.isdigit():
        found = numbers(end, protocol, port)
        if not found or len(found) != 1:
            raise _unclear(f"{end.name} names no port {port!r}")
        return found[0]
    if not 1 <= int(port) <= PORT_MAX:
        raise _unclear(f"{port} is no port")
    return int(port)


def _end(found: Centre, name: str) -> End:
    for end in found.ends:
        if end.name == name:
            return end
    raise UsageError(
        "end-unknown",
        what=f"the centre has nothing called {name!r}",
        why=f"it has {', '.join(end.name for end in found.ends)}",
        state="nothing was computed",
        next="dcshift network portal/web portal/database:5432",
    )


def _unclear(why: str) -> UsageError:
    return UsageError(
        "path-unclear",
        what="the path that is asked for is not clear",
        why=why,
        state="nothing was computed",
        next="dcshift network portal/web portal/database:5432, or dns:53/udp, or portal/web:http",
    )


def _document(verdict: Verdict) -> dict[str, Any]:
    def side(given: Side) -> dict[str, Any]:
        return {"open": given.passes, "selected": given.isolated, "policies": list(given.policies)}

    return {
        "source": verdict.source,
        "target": verdict.target,
        "port": verdict.port,
        "protocol": verdict.protocol,
        "allowed": verdict.allowed,
        "out": side(verdict.egress),
        "in": side(verdict.ingress),
    }


def main() -> int:
    """Answer on stdout; returns the exit status."""
    parser = argparse.ArgumentParser(prog="dcshift network", description=__doc__)
    parser.add_argument("source", nargs="?", help="who sends, such as portal/web or internet")
    parser.add_argument("target", nargs="?", help="who receives, with a port: portal/database:5432")
    parser.add_argument("--settings", type=Path, default=FOLDER, help="folder of the stacks' own settings")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()

    def work() -> int:
        if given.source is not None and given.target is None:
            raise _unclear("a sender alone is no path: name the receiver too")
        found = centre(given.settings)
        document, text, status = whole(found) if given.source is None else asked(found, given.source, given.target)
        ending.say(document, text, as_json=given.json)
        return status

    return ending.end(work, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
