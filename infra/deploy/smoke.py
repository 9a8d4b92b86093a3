"""Asks a system as citizens and the platform do after a deployment, several times on end; it changes nothing."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from catalogue.doors import ROUNDS
from infra.ending import UsageError

_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Door:
    """Where the system answers: its public host, through the gateway's address, and whom to trust there."""

    host: str
    address: str
    paths: tuple[str, ...]
    trust: ssl.SSLContext


def trust(authority: Path | None) -> ssl.SSLContext:
    """Return whom to trust: the authority of a file, or those of this machine.

    Raises `UsageError` when the file is not there, cannot be read or holds no certificate: asked before a deployment,
    because one that nobody can judge afterwards would have to be put back.
    """
    try:
        return ssl.create_default_context(cafile=str(authority) if authority else None)
    except (OSError, ValueError) as bad:  # an error of ssl is an OSError
        raise UsageError(
            "authority-unusable",
            what=f"the authority of the public certificate cannot be read from {authority}",
            why=getattr(bad, "reason", None) or getattr(bad, "strerror", None) or str(bad),
            state="nothing was deployed",
            next="give a file with the authority's certificate (PEM) with --ca or DCSHIFT_CA, or none of both",
        ) from bad


def faults(door: Door, rounds: int = ROUNDS) -> list[str]:
    """Return a sentence for each path that did not answer 200; each path is asked `rounds` times on new connections."""
    found = []
    for number in range(rounds):
        if number:
            time.sleep(_PAUSE_SECONDS)
        with httpx.Client(verify=door.trust, timeout=20, trust_env=False, follow_redirects=False) as client:
            for path in door.paths:
                try:
                    answer = client.get(
                        f"https://{door.address}{path}",
                        headers={"Host": door.host},
                        extensions={"sni_hostname": door.host},
                    )
                except (httpx.HTTPError, OSError) as broken:
                    found.append(f"https://{door.host}{path} did not answer: {broken!r}")
                    continue
                if answer.status_code != httpx.codes.OK:
                    found.append(f"https://{door.host}{path} answered {answer.status_code}")
    return found
