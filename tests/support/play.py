"""One lab with both centres and every stack up, for the live modules that are played on it one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from obstore.store import S3Store

from lab import centres
from lab.demo import shell
from lab.demo.citizens import Citizens
from lab.demo.cloud import Cloud
from lab.demo.main import FOLDER, fresh_folder
from lab.paths import STATE
from lab.source.configure import ssh


def dcshift(name: str, *words: str, allowed: tuple[int, ...] = (0,), **more: Any) -> shell.Ended:
    return shell.run(f"live-{name}", ["dcshift", "--json", *words], say=say, allowed=allowed, **more)


def say(line: str) -> None:
    print(f"    {line}", flush=True)


def on(host: str, command: str) -> str:
    return shell.run(f"live-on-{host}", [*ssh(host), command], timeout_seconds=240).stdout


def uploads(system: str) -> S3Store:
    """Return the bucket of a system, with the rights of the store's administrator."""
    return bucket(f"khanhhoa-lab-{system}-uploads")


def bucket(name: str, keys: Mapping[str, str] | None = None) -> S3Store:
    """Return a bucket, with these keys or the administrator's."""
    admin = json.loads((STATE / "target" / "s3.json").read_text())
    keys = keys or admin
    return S3Store(
        name,
        endpoint=admin["endpoint"],
        region=admin["region"],
        access_key_id=keys["access_key"],
        secret_access_key=keys["secret_key"],
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )


class Play:
    """Both centres with their stacks up, and citizens who never stop."""

    def __init__(self) -> None:
        fresh_folder()
        centres.up(say, scale="tenth")
        self.cloud = Cloud()
        self.cloud.up_all(say)
        self.citizens = Citizens(FOLDER, rate_per_second=8.0)
        self.broken = False

    def end(self) -> None:
        self.citizens.stop()
        centres.down(say)


class Stage:
    """Keeps a play standing from one module to the next; a play in which an act failed is not handed on."""

    def __init__(self) -> None:
        self._standing: Play | None = None

    @property
    def stands(self) -> bool:
        """Whether a play waits for the next module."""
        return self._standing is not None

    def take(self) -> Play:
        standing, self._standing = self._standing, None
        return standing or Play()

    def leave(self, play: Play, *, wanted: bool) -> None:
        """Keep the play for the next module if one is to come, else end it."""
        if wanted and not play.broken:
            self._standing = play
        else:
            play.end()

    def close(self) -> None:
        if self._standing is not None:
            self._standing.end()
            self._standing = None
