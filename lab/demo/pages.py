"""Reads the public pages as citizens do, so that a deployment can be compared with what was there before."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from lab.addresses import SITES, SOURCE_HOSTS
from lab.apps.systems import AppSystem
from lab.errors import LabError
from lab.paths import STATE
from migration.verification.pages import first_difference, visible_text

_AUTHORITY: Final = STATE / "ca" / "ca.pem"


def read_pages(
    system: AppSystem, *, deployed: bool = False, address: str = SOURCE_HOSTS["edge1"], authority: Path = _AUTHORITY
) -> dict[str, str]:
    """Return the visible text of every page of a system, by path, through its public name.

    `deployed` says whether the later release was deployed already; an error then says how to go back. Raises
    `LabError` (page-unread).
    """
    host, texts, path = SITES[system.name], dict[str, str](), system.pages[0]
    try:
        trust = ssl.create_default_context(cafile=str(authority))
        with httpx.Client(verify=trust, timeout=30, trust_env=False) as client:
            for path in system.pages:
                answer = client.get(
                    f"https://{address}{path}", headers={"Host": host}, extensions={"sni_hostname": host}
                )
                if answer.status_code != httpx.codes.OK:
                    raise _unread(system, path, f"it answers {answer.status_code}", deployed=deployed)
                texts[path] = visible_text(answer.text)
    except (httpx.HTTPError, OSError) as broken:
        raise _unread(system, path, str(broken), deployed=deployed) from broken
    return texts


def assert_same(system: AppSystem, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Raise `LabError` naming the first page that no longer says what it said before the deployment."""
    for path, text in before.items():
        if difference := first_difference(text, after[path]):
            raise LabError(
                "page-differs",
                what=f"{path} of {system.name} does not say what it said before the deployment",
                why=difference,
                state=f"release {system.release_later} is deployed and serves",
                next=f"dcshift deploy {system.name} --release {system.release}",
            )


def _unread(system: AppSystem, path: str, why: str, *, deployed: bool) -> LabError:
    if deployed:
        state, following = (
            f"release {system.release_later} is deployed, and this page of it does not answer",
            f"dcshift deploy {system.name} --release {system.release}",
        )
    else:
        state, following = f"nothing was deployed; release {system.release} is what it was", "dcshift lab status"
    return LabError("page-unread", what=f"{path} of {system.name} cannot be read", why=why, state=state, next=following)
