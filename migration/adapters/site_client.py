"""Asks a public site at a given address, as a citizen's browser would but past the name server; it changes nothing."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx


class SiteClient:
    """HTTPS to one host name at one address, with the certificate checked against that name."""

    def __init__(self, host: str, address: str, port: int = 443, *, ca_file: Path | None = None) -> None:
        self.host, self.address, self.port = host, address, port
        self._trust = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)

    def get(self, path: str, *, timeout_seconds: float = 10.0) -> tuple[int, str, Mapping[str, str]]:
        """Return status, text and headers; raises `httpx.HTTPError` when there is no answer."""
        with httpx.Client(verify=self._trust, timeout=timeout_seconds, trust_env=False) as client:
            answer = client.get(
                f"https://{self.address}:{self.port}{path}",
                headers={"Host": self.host, "Accept-Language": "vi", "User-Agent": "dcshift"},
                extensions={"sni_hostname": self.host},
            )
        return answer.status_code, answer.text, answer.headers
