"""What the cluster must know before anything of a stack is written: every declared kind, and who signs certificates.

The engine meets a kind that is missing at its object, and a missing issuer not at all: it would wait for a certificate
that nobody makes, with half of the stack written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.errors import InfraError
from infra.live import Live
from infra.render.declared import Built, Declared
from infra.rights.kinds import CERTIFICATE

_DEFINITION: Final = "CustomResourceDefinition"


def refuse(stacks: Sequence[Built], live: Live) -> None:
    """Raise `InfraError`: `kind-not-served`, `issuer-not-ready`, or that the cluster does not answer."""
    declared = [each for built in stacks for each in built.objects]
    defined = {each.inputs["spec"]["names"]["kind"] for each in declared if each.kind == _DEFINITION}
    if unserved := sorted(
        {_kind(each) for each in declared if each.kind not in defined and not live.serves(each.inputs)}
    ):
        raise InfraError(
            "kind-not-served",
            what=f"the cluster does not know {len(unserved)} kind(s) of what is declared",
            why=", ".join(unserved),
            state="nothing was written",
            next="install the operators that bring them (docs/own-centre.md, section 1), then run this again",
        )
    if unable := list(_unable(declared, live)):
        raise InfraError(
            "issuer-not-ready",
            what=f"{len(unable)} certificate(s) would not be issued",
            why="\n         ".join(unable),
            state="nothing was written",
            next="make the issuer, or name one that is ready in target.certificates of province.yaml",
        )


def _unable(declared: Sequence[Declared], live: Live) -> Iterator[str]:
    for each in declared:
        if each.kind != CERTIFICATE.name:
            continue
        asked, where = each.inputs["spec"]["issuerRef"], each.inputs["metadata"]["namespace"]
        found = live.read(
            {
                "apiVersion": CERTIFICATE.api_version,
                "kind": asked["kind"],
                "metadata": {"name": asked["name"], "namespace": where},
            }
        )
        who = f"{each.identity}: {asked['kind']} {asked['name']}"
        if found is None:
            yield f"{who} is not there"
        elif not _ready(found):
            yield f"{who} is not ready"


def _ready(issuer: Mapping[str, Any]) -> bool:
    conditions = issuer.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _kind(declared: Declared) -> str:
    return f"{declared.inputs['apiVersion']} {declared.inputs['kind']}"
