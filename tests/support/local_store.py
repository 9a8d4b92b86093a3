"""A private S3 server of this machine (seaweedfs) for tests; it stops only what it started."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.local_servers import free_port

_PORTS = ("master.port", "volume.port", "filer.port", "admin.port")


@dataclass(frozen=True)
class Store:
    """A running store and its administrator's keys."""

    endpoint: str
    access_key: str = "AKTEST"
    secret_key: str = "SKTESTSKTEST"
    folder: Path | None = None
    """Where its volumes lie."""

    def decay(self, before: bytes, after: bytes) -> None:
        """Change a stored object's bytes under the store's feet; its record, ETag and checksum say nothing of it."""
        assert self.folder is not None
        assert len(before) == len(after)
        copies = 0  # of what was written twice the older one may still lie there
        for volume in self.folder.rglob("*.dat"):
            content = volume.read_bytes()
            with volume.open("r+b") as file:
                for found in re.finditer(re.escape(before), content):
                    checksum = content.index(_crc32c(before), found.end())
                    for place, what in ((found.start(), after), (checksum, _crc32c(after))):
                        file.seek(place)
                        file.write(what)
                    copies += 1
        assert copies, "no volume holds these bytes"


def _crc32c(content: bytes) -> bytes:
    """Return the checksum that the store keeps beside each piece (Castagnoli's polynomial, RFC 3720 B.4)."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return (value ^ 0xFFFFFFFF).to_bytes(4, "big")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Store]:
    """Start the store in `folder` and stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    store = Store(f"http://127.0.0.1:{port}", folder=folder)
    keys = [{"accessKey": store.access_key, "secretKey": store.secret_key}]
    admin = {"name": "admin", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [admin]}))
    argv = [str(Path(sys.executable).parent / "weed"), "-logtostderr", "-v=0", "mini", f"-dir={folder}"]
    argv += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.port={port}", f"-s3.config={folder / 's3.json'}"]
    argv += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    argv += ["-s3.autoCreateBucket=false", f"-s3.port.grpc={free_port()}"]
    for name in _PORTS:
        argv += [f"-{name}={free_port()}", f"-{name}.grpc={free_port()}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={"HOME": str(folder)})
    try:
        _wait(store, process, folder)
        yield store
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait(store: Store, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(store.endpoint, timeout=2.0, trust_env=False).status_code == 403:
                return
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError((folder / "log").read_text(errors="replace")[-2000:])
        time.sleep(0.1)
