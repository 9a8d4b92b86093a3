"""What single values of a stack's configuration may be; each is refused in a sentence that names its key."""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.errors import ConfigError


@dataclass(frozen=True, slots=True)
class NodeFolders:
    """Where a node keeps what the log agents read, and where they note how far they have read."""

    audit: str
    pods: str
    agent: str

    def checked(self) -> NodeFolders:
        """Return them. Raises `ConfigError` for a node's root, or one of its first folders."""
        for path in (self.audit, self.pods, self.agent):
            if not re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}", path):
                raise ConfigError(f"a node's folder is {path!r}; it must be an absolute path of two names or more")
        for path, other in itertools.permutations((self.audit, self.pods, self.agent), 2):
            # The agent writes its notes: what lies within them would be writable, too.
            if f"{path}/".startswith(f"{other}/"):
                raise ConfigError(f"a node's folder is {path!r} and another {other!r}; none may be or hold another")
        return self


def is_address(host: str | None) -> bool:
    """Return whether a host is named by its IPv4 address: a network policy knows nothing else."""
    try:
        ipaddress.IPv4Address(host or "")
    except ValueError:
        return False
    return True


def webhook(given: str | None) -> str | None:
    """Return where alerts are sent; a ConfigMap shows it to whoever may look, so nothing secret may stand in it."""
    if given is None:
        return None
    parts = urlsplit(given)
    if parts.username or parts.password or parts.query:
        raise ConfigError("dcshift:alertWebhook holds a login or a query; secrets do not belong in a stack's settings")
    if parts.scheme not in ("http", "https") or not is_address(parts.hostname) or not _port_is_one(given):
        raise ConfigError(f"dcshift:alertWebhook is {given!r}; it must be http(s)://IPv4-ADDRESS:PORT/PATH")
    return given


def _port_is_one(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def reference(key: str, given: str) -> str:
    """Return the tag or the digest of an image; `latest` may be another one tomorrow."""
    if given == "latest" or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|sha256:[0-9a-f]{64}", given):
        raise ConfigError(f"dcshift:{key} is {given!r}; it must be a tag that is not latest, or sha256: and 64 digits")
    return given
