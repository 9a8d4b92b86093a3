"""The target's S3 server (seaweedfs) with generated credentials; a request with other keys is refused."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from lab.addresses import NODE_ADDRESS, S3_ENDPOINT, S3_PORT, S3_REGION
from lab.target.layout import CONFIG, HOME, S3_CREDENTIALS
from lab.target.processes import Daemon, start, wait_until

# Every port is given: a second server on a taken default port would die. These inner ones know no password, so
# `guard` closes them to everything but the node itself.
INNER: Final = {
    "master.port": 17933,
    "master.port.grpc": 27933,
    "volume.port": 17940,
    "volume.port.grpc": 27940,
    "filer.port": 17888,
    "filer.port.grpc": 27888,
    "admin.port": 17646,
    "admin.port.grpc": 27646,
    "s3.port.grpc": 27833,
}
INNER_PORTS: Final = tuple(sorted(INNER.values()))


def start_object_store() -> None:
    """Start the server with fresh credentials in `s3.json`; return once it refuses a request without a key."""
    data = HOME / "s3"
    data.mkdir(parents=True, exist_ok=True)
    access_key, secret_key = secrets.token_hex(10), secrets.token_urlsafe(30)
    _write(CONFIG / "s3-identities.json", identities(access_key, secret_key))
    _write(
        S3_CREDENTIALS,
        {"endpoint": S3_ENDPOINT, "region": S3_REGION, "access_key": access_key, "secret_key": secret_key},
    )
    start(Daemon("seaweedfs", argv(data, CONFIG / "s3-identities.json"), {"HOME": str(HOME)}))
    wait_until("the object store's readiness", refuses_strangers, 300)


def argv(
    data: Path,
    identities_file: Path,
    *,
    address: str = NODE_ADDRESS,
    port: int = S3_PORT,
    inner: Mapping[str, int] = INNER,
) -> tuple[str, ...]:
    """Return a server's command line; without an address and ports, that of the target's."""
    return (
        str(Path(sys.prefix) / "bin" / "weed"),
        "-logtostderr",
        "-v=0",
        "mini",
        f"-dir={data}",
        f"-ip={address}",
        f"-ip.bind={address}",
        f"-s3.port={port}",
        f"-s3.config={identities_file}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam.readOnly=false",  # each bucket gets a user of its own, made with the administrator's keys
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",  # on by default, and it would call its vendor
        *(f"-{name}={number}" for name, number in inner.items()),
    )


def identities(access_key: str, secret_key: str) -> dict[str, object]:
    """Return the server's list of identities: the administrator alone. Without a list any key would be accepted."""
    keys = [{"accessKey": access_key, "secretKey": secret_key}]
    admin = {"name": "admin", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    return {"identities": [admin]}


def refuses_strangers(endpoint: str = S3_ENDPOINT) -> bool:
    """Say whether a server answers, and knows its list: without one it would let everybody in."""
    try:
        return httpx.get(f"{endpoint}/", timeout=2.0, trust_env=False).status_code == 403
    except httpx.HTTPError:
        return False


def _write(path: Path, document: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(document, indent=1) + "\n")


def remove_sockets(*ports: int) -> None:
    """Remove the sockets that a server leaves in /tmp, a place that it does not let us choose."""
    for port in ports or (S3_PORT, *INNER_PORTS):
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108  its choice, see above
            path.unlink(missing_ok=True)
