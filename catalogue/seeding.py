"""How a database begins from a copy: the names that its stack and the mover of the copy share."""

from __future__ import annotations

from typing import Final

ORIGIN: Final = "dcshift-seed"
"""The copy as the cluster's declaration calls it: the only external cluster that it may begin from."""
ROLE: Final = "dcshift_seed"
"""Who reads the copy's files; it goes as soon as the cluster has them."""
PASSWORD_KEY: Final = "password"  # noqa: S105  a Secret's key
AUTHORITY_KEY: Final = "ca.crt"


def secret(cluster: str) -> str:
    """Return the Secret with the reader's password and with the certificate that the copy's server shows."""
    return f"{cluster}-seed"
