"""Asks a public site at a given address, as a citizen's browser would but past the name server; it changes nothing."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx

from migration.errors import UsageError


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return whom to trust: the authority of a file, or those of this machine.

    Raises `UsageError` (authority-unusable) when the file is not there, cannot be read or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ValueError) as bad:  # an error of ssl is an OSError
        raise UsageError(
            "authority-unusable",
            what=f"the authority of the public certificates cannot be read from {ca_file}",
            why=getattr(bad, "reason", None) or getattr(bad, "strerror", None) or str(bad),
            state="no site was asked; nothing was changed by this command",
            next="export DCSHIFT_CA=ca.pem   a file with the authority's certificate (PEM), or unset it",
        ) from bad


def distrust(silent: httpx.HTTPError) -> str | None:
    """Return why the site's certificate was not believed, where that is why there was no answer."""
    cause: BaseException | None = silent
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return None


class SiteClient:
    """HTTPS to one host name at one address, with the certificate checked against that name.

    Raises `UsageError` as `trust` does.
    """

    def __init__(self, host: str, address: str, port: int = 443, *, ca_file: Path | None = None) -> None:
        self.host, self.address, self.port = host, address, port
        self._trust = trust(ca_file)

    def get(self, path: str, *, timeout_seconds: float = 10.0) -> tuple[int, str, Mapping[str, str]]:
        """Return status, text and headers; raises `httpx.HTTPError` when there is no answer."""
        with httpx.Client(verify=self._trust, timeout=timeout_seconds, trust_env=False) as client:
            answer = client.get(
                f"https://{self.address}:{self.port}{path}",
                headers={"Host": self.host, "Accept-Language": "vi", "User-Agent": "dcshift"},
                extensions={"sni_hostname": self.host},
            )
        return answer.status_code, answer.text, answer.headers
