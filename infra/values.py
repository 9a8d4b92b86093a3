"""What single values of a stack's configuration may be; pure, and each pattern once."""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from infra.errors import ConfigError

_PORT_MAX: Final = 65535
_DIGEST: Final = r"sha256:[0-9a-f]{64}"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_REGISTRY: Final = re.compile(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:(?P<port>[0-9]{1,5}))?(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*){0,8}"
)


@dataclass(frozen=True, slots=True)
class NodeFolders:
    """Where a node keeps what the log agents read, and where they note how far they have read."""

    audit: str
    pods: str
    agent: str

    def checked(self) -> NodeFolders:
        """Return them. Raises `ConfigError` where one is or holds another."""
        for path, other in itertools.permutations((self.audit, self.pods, self.agent), 2):
            # The agent writes its notes: what lies within them would be writable, too.
            if f"{path}/".startswith(f"{other}/"):
                raise ConfigError(
                    f"dcshift:auditLog, dcshift:podLogs and dcshift:agentState name {path!r} and {other!r}; "
                    "none may be or hold another"
                )
        return self


def is_address(host: str | None) -> bool:
    """Return whether a host is named by its IPv4 address: a network policy knows nothing else."""
    try:
        ipaddress.IPv4Address(host or "")
    except ValueError:
        return False
    return True


def is_endpoint(given: str) -> bool:
    """Return whether this is an IPv4 address and a port."""
    host, _, port = given.rpartition(":")
    return is_address(host) and is_within(port, 1, _PORT_MAX)


def is_seeds(given: str) -> bool:
    """Return whether these are systems, each once and with a server: `portal=10.0.0.7:5433,feedback=10.0.0.8:5433`."""
    parts = [part.partition("=") for part in given.split(",")]
    named = [system for system, _, _ in parts]
    return len(set(named)) == len(named) and all(
        is_label(system) and is_endpoint(server) for system, _, server in parts
    )


def seeds(given: str) -> dict[str, tuple[str, int]]:
    """Return address and port by system of what `is_seeds` takes."""
    parts = [part.partition("=") for part in given.split(",")]
    ends = {system: server.rpartition(":") for system, _, server in parts}
    return {system: (host, int(port)) for system, (host, _, port) in ends.items()}


def is_within(given: str, low: int, high: int) -> bool:
    """Return whether this is a whole number as people write it, from `low` to `high`."""
    return re.fullmatch(r"0|[1-9][0-9]{0,9}", given) is not None and low <= int(given) <= high


def is_label(given: str) -> bool:
    """Return whether Kubernetes takes this for the name of a namespace."""
    return re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", given) is not None


def is_folder(given: str) -> bool:
    """Return whether this is a folder of a node, and neither its root nor one of its first folders."""
    return re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}", given) is not None


def is_tag(given: str) -> bool:
    """Return whether this is an image's tag; `latest` may be another image tomorrow."""
    return given != "latest" and re.fullmatch(_TAG, given) is not None


def is_digest(given: str) -> bool:
    return re.fullmatch(_DIGEST, given) is not None


def is_release_and_digest(given: str) -> bool:
    """Return whether a digest stands behind a release, or alone: that it names its own release is asked elsewhere."""
    release, _, digest = given.rpartition("@")
    return is_digest(digest) and (not release or is_tag(release))


def is_registry(given: str) -> bool:
    """Return whether images can be named by appending `/NAME:TAG`."""
    found = _REGISTRY.fullmatch(given)
    return found is not None and (found["port"] is None or is_within(found["port"], 1, _PORT_MAX))


def is_webhook(given: str) -> bool:
    """Return whether alerts can be sent there; a ConfigMap shows it to whoever may look, so nothing secret is in it."""
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not is_address(parts.hostname) or port == 0:
        return False
    return re.fullmatch(r"[!-~]+", given) is not None and not any(sign in given for sign in "@?#\"'`\\{}<>")


def is_place_to_read(given: str) -> bool:
    """Return whether the address of a page can begin with this."""
    return re.fullmatch(r"(https?://)?[A-Za-z0-9.][A-Za-z0-9._~:/%-]{0,199}", given) is not None
