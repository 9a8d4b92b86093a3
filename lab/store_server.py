"""A private S3 server (seaweedfs) on free ports of the loopback, in a folder of its own; it is not the lab's."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.loopback import HOST, free_ports, running, unready
from lab.target import object_store

_READY_SECONDS_MAX: Final = 120.0


@dataclass(frozen=True, slots=True)
class Store:
    """A running store and its administrator's keys."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    folder: Path
    """Where its volumes lie."""
    pid: int = 0


@contextlib.contextmanager
def store_running(folder: Path) -> Iterator[Store]:
    """Run a store in `folder` for as long as the block. Raises `LabError` when it does not come up."""
    folder.mkdir(parents=True, exist_ok=True)
    (port, *inner), identities = free_ports(1 + len(object_store.INNER)), folder / "s3.json"
    access_key, secret_key = secrets.token_hex(10), secrets.token_hex(20)
    identities.touch(mode=0o600)
    identities.write_text(json.dumps(object_store.identities(access_key, secret_key)))
    ports = dict(zip(object_store.INNER, inner, strict=True))
    argv = object_store.argv(folder, identities, address=HOST, port=port, inner=ports)
    try:
        with running(argv, folder / "log", env={"HOME": str(folder)}) as process:
            store = Store(f"http://{HOST}:{port}", access_key, secret_key, folder, process.pid)

            def ask() -> str | None:
                return None if object_store.refuses_strangers(store.endpoint) else ""

            if why := unready(process, folder / "log", ask, seconds_max=_READY_SECONDS_MAX):
                raise LabError(
                    "store-unready",
                    what="an object store on the loopback did not come up",
                    why=why,
                    state="it was stopped; nothing else was changed",
                    next="look at the machine's load, then run the same command again",
                )
            yield store
    finally:
        object_store.remove_sockets(port, *inner)
