"""A real API server that believes a login of a test's own, configured by the very file that docs/login.md shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.api_server import ApiServer, api_server
from tests.support.asking import Asker, by_token, resources_of, until
from tests.support.login import Issuer, Login, login
from tests.support.project import ROOT

_PAGE = ROOT / "docs" / "login.md"
_SHOWN = "https://login.khanhhoa.example"
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True)
class Entered:
    """An API server, its administrator, and the login that it believes."""

    api: ApiServer
    login: Login

    @property
    def admin(self) -> Asker:
        return Asker(self.api.client, resources_of(self.api))

    def by(self, token: str) -> AbstractContextManager[Asker]:
        """Return one who has this token and nothing else."""
        return by_token(self.api, token)

    def status(self, token: str, document: dict[str, Any]) -> int:
        """Return how the server answers one with this token who would make this object."""
        with self.by(token) as asker:
            return asker.create(document).status_code

    def known_as(self, token: str) -> tuple[str, set[str]] | int:
        """Return name and groups as the server takes them from a token, else the status of its refusal."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        with self.by(token) as asker:
            answer = asker.client.post(_WHO, json=review)
        if answer.status_code != 201:
            return answer.status_code
        user = answer.json()["status"]["userInfo"]
        return user["username"], set(user.get("groups", ())) - {"system:authenticated"}


@contextmanager
def entry(folder: Path) -> Iterator[Entered]:
    """Start both, and wait until the server believes each of the login's issuers. Raises `LabError`."""
    with login(folder) as made:
        (folder / "authentication.yaml").write_text(_configuration(made))
        with api_server(folder, f"--authentication-config={folder / 'authentication.yaml'}") as api:
            found = Entered(api, made)
            for issuer, claims in ((made.staff, {}), (made.ci, {"project_path": "x/y", "ref_protected": "true"})):
                _until_believed(found, issuer, claims)
            yield found


def _until_believed(found: Entered, issuer: Issuer, claims: dict[str, str]) -> None:
    """Wait: the server reads a login's keys a moment after it is ready itself."""
    until(lambda: found.known_as(issuer.token(**claims)) != 401, f"{issuer.url} is not believed")


def on_page(kind: str) -> str:
    """Return the one file of a kind that the page shows, as it stands there."""
    shown = re.findall(r"^```yaml\n(.*?)^```$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = [text for text in shown if f"\nkind: {kind}\n" in text]
    return str(found)


def _configuration(made: Login) -> str:
    """Return the page's configuration; nothing but addresses and authority are others."""
    text, authority = on_page("AuthenticationConfiguration"), made.authority.read_text().splitlines()
    for issuer, name in ((made.staff, "staff"), (made.ci, "ci")):
        shown = f"url: {_SHOWN}/{name}\n"
        assert text.count(shown) == 1
        text = text.replace(shown, f"url: {issuer.url}\n")
    assert _SHOWN not in text
    text, written = re.subn(
        "^( +)AUTHORITY$", lambda at: "\n".join(f"{at[1]}{line}" for line in authority), text, flags=re.MULTILINE
    )
    assert written == 2
    return text
