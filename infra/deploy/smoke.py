"""Asks a system as citizens and the platform do after a deployment, several times on end; it changes nothing."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Door:
    """Where the system answers: its public host, through the gateway's address, trusting one authority."""

    host: str
    address: str
    paths: tuple[str, ...]
    authority: Path | None


def faults(door: Door, rounds: int = 3) -> list[str]:
    """Return a sentence for each path that did not answer 200; each path is asked `rounds` times on new connections."""
    found = []
    trust = ssl.create_default_context(cafile=str(door.authority) if door.authority else None)
    for number in range(rounds):
        if number:
            time.sleep(_PAUSE_SECONDS)
        with httpx.Client(verify=trust, timeout=20, trust_env=False, follow_redirects=False) as client:
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
