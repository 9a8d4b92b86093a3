"""Images as the cache keeps them: blobs by their hash, each made once; it needs no registry and no runtime.

<cache>/images/blobs/sha256/<hash>   layers, configurations and manifests, each stored once for all images
<cache>/images/keys/<hash of a key>  which layer was made from that key
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from lab.images.layers import Layer, write_layer
from lab.paths import cache

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of a recipe: a key that changes with its content, and how to make it when the key is new."""

    key: str
    make: Callable[[], Layer]


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image before it is built."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    user: str = "10001:10001"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the cache; `digest` is that of its manifest, `blobs` are all hashes that it consists of.

    `names` are the recipe's, each once with its tag and once with the digest.
    """

    names: tuple[str, ...]
    digest: str
    size: int
    blobs: tuple[str, ...]


def build(recipe: Recipe) -> Image:
    """Return the image of a recipe; layers whose key is known are not made again."""
    layers = [_layer(part) for part in recipe.parts]
    settings: dict[str, object] = {
        "User": recipe.user,
        "Env": [f"{name}={value}" for name, value in sorted(recipe.environment.items())],
        "WorkingDir": recipe.folder,
    }
    if recipe.entrypoint:
        settings["Entrypoint"] = list(recipe.entrypoint)
    if recipe.command:
        settings["Cmd"] = list(recipe.command)
    config = _put_json(
        {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest, _ in layers]},
        }
    )
    manifest = _put_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(_CONFIG, *config),
            "layers": [descriptor(_LAYER, *layer) for layer in layers],
        }
    )
    # Without a registry, a node finds an image by its digest only under a name that says so.
    pinned = {f"{name.rpartition(':')[0]}@sha256:{manifest[0]}" for name in recipe.names}
    blobs = (manifest[0], config[0], *(digest for digest, _ in layers))
    return Image((*recipe.names, *sorted(pinned)), manifest[0], manifest[1], blobs)


def descriptor(media_type: str, digest: str, size: int) -> dict[str, object]:
    """Return the OCI descriptor of a blob."""
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def blob(digest: str) -> Path:
    """Return where a blob lies."""
    return _blobs() / digest


def _layer(part: Part) -> tuple[str, int]:
    """Return (hash, size) of the layer, made if its key is new; one builder of a key at a time."""
    keys = cache() / "images" / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    record = keys / hashlib.sha256(part.key.encode()).hexdigest()
    with record.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if record.exists() and blob(record.read_text()).exists():
            digest = record.read_text()
            return digest, blob(digest).stat().st_size
        layer = part.make()
        digest, size = _put(lambda out: write_layer(layer, out))
        record.with_suffix(".new").write_text(digest)
        record.with_suffix(".new").rename(record)
    return digest, size


def _put_json(document: object) -> tuple[str, int]:
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    def write(out: IO[bytes]) -> None:
        out.write(content)

    return _put(write)


def _put(write: Callable[[IO[bytes]], None]) -> tuple[str, int]:
    """Store what `write` writes under its hash; a kill in between leaves only a temporary name."""
    with tempfile.NamedTemporaryFile(dir=_blobs(), prefix=".new-", delete=False) as file:
        path = Path(file.name)
        try:
            write(file)
        except BaseException:
            path.unlink()
            raise
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    path.rename(blob(digest))
    return digest, blob(digest).stat().st_size


def _blobs() -> Path:
    folder = cache() / "images" / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
