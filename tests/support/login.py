"""An identity provider on the loopback: two issuers, whose keys it shows over TLS, and the tokens that they sign."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from lab.ca import Authority
from lab.loopback import HOST

HOUR = 3600
_BYTES = 32
"""Of each of the two numbers that a P-256 signature, or point, is."""


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issuer:
    """One who signs; `url` is its name, and where its key is shown."""

    url: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def token(self, *, key: ec.EllipticCurvePrivateKey | None = None, signed: bool = True, **claims: Any) -> str:
        """Return a token of these claims, good for an hour unless they say otherwise.

        `key` signs in place of ours, under our key's name; `signed=False` makes one that says it is signed by nobody.
        """
        now = int(time.time())
        known = {"iss": self.url, "aud": "dcshift", "sub": "lan", "iat": now - 60, "exp": now - 60 + HOUR, **claims}
        header = {"typ": "JWT", "alg": "ES256" if signed else "none", "kid": "one"}
        content = f"{_coded(json.dumps(header).encode())}.{_coded(json.dumps(known).encode())}"
        if not signed:
            return f"{content}."
        numbers = utils.decode_dss_signature((key or self.key).sign(content.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{content}.{_coded(b''.join(each.to_bytes(_BYTES, 'big') for each in numbers))}"

    def answers(self) -> dict[str, dict[str, Any]]:
        """Return what a provider shows of an issuer, by the address's end."""
        point = self.key.public_key().public_numbers()
        shown = {name: _coded(number.to_bytes(_BYTES, "big")) for name, number in (("x", point.x), ("y", point.y))}
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/never-asked",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            },
            "/keys": {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one", **shown}]},
        }


@dataclass(frozen=True)
class Login:
    """A running provider: for people, and for pipelines; `authority` signed its certificate."""

    staff: Issuer
    ci: Issuer
    authority: Path


@contextlib.contextmanager
def login(folder: Path) -> Iterator[Login]:
    """Run a provider for as long as the block."""
    authority, pages = Authority(folder / "ca", "login of the loopback"), dict[str, bytes]()
    certificate, key = authority.issue("login", ("localhost",), (HOST,))
    (folder / "login.pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "login.pem")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    base = f"https://{HOST}:{server.server_port}"
    made = Login(Issuer(f"{base}/staff"), Issuer(f"{base}/ci"), folder / "ca" / "ca.pem")
    for issuer in (made.staff, made.ci):
        for end, answer in issuer.answers().items():
            pages[f"{issuer.url.removeprefix(base)}{end}"] = json.dumps(answer).encode()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
