"""Reads the public pages as citizens do, so that a deployment can be compared with what was there before."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpx

from lab.addresses import SITES, SOURCE_HOSTS
from lab.apps.systems import AppSystem
from lab.errors import LabError
from lab.paths import STATE
from migration.verification.pages import first_difference, visible_text


def read_pages(system: AppSystem) -> dict[str, str]:
    """Return the visible text of every page of a system, by path, through its public name."""
    trust = ssl.create_default_context(cafile=str(STATE / "ca" / "ca.pem"))
    host, texts = SITES[system.name], dict[str, str]()
    with httpx.Client(verify=trust, timeout=30, trust_env=False) as client:
        for path in system.pages:
            answer = client.get(
                f"https://{SOURCE_HOSTS['edge1']}{path}", headers={"Host": host}, extensions={"sni_hostname": host}
            )
            if answer.status_code != httpx.codes.OK:
                raise _differs(system, path, f"it answers {answer.status_code}")
            texts[path] = visible_text(answer.text)
    return texts


def assert_same(system: AppSystem, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Raise `LabError` naming the first page that no longer says what it said."""
    for path, text in before.items():
        if difference := first_difference(text, after[path]):
            raise _differs(system, path, difference)


def _differs(system: AppSystem, path: str, why: str) -> LabError:
    return LabError(
        "page-differs",
        what=f"{path} of {system.name} does not say what it said before the deployment",
        why=why,
        state=f"release {system.release_later} is deployed and serves",
        next=f"pulumi config set dcshift:release {system.release} --stack {system.name}, then pulumi up",
    )
