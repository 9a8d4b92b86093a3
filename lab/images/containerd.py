"""Bring images from the cache into the node's containerd; what is there already is not brought again."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from lab.command import run
from lab.errors import LabError
from lab.images.store import INDEX, MANIFEST, Image, blob, descriptor
from lab.paths import RUN

_NAMESPACE: Final = "k8s.io"


def import_images(images: Sequence[Image], socket: Path) -> list[str]:
    """Import the images that the containerd at `socket` lacks; return their names.

    Only layers that it lacks are sent. Raises `LabError` when an image is still missing afterwards.
    """
    known = _known(socket)
    wanted = {name: image for image in images for name in image.names}
    missing = [image for image in images if any(known.get(name) != image.digest for name in image.names)]
    if not missing:
        return []
    present = set(_ctr(socket, "content", "ls", "-q").split())
    pipe = RUN / f"import-{os.getpid()}-{threading.get_ident()}"
    RUN.mkdir(parents=True, exist_ok=True)
    os.mkfifo(pipe)
    try:
        writer = threading.Thread(target=_write_archive, args=(pipe, missing, present), daemon=True)
        writer.start()
        _ctr(socket, "images", "import", str(pipe))
    finally:
        # A writer that nobody read from would wait for ever: opening the other end lets it go.
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        pipe.unlink()
    known = _known(socket)
    lost = sorted(name for name, image in wanted.items() if known.get(name) != image.digest)
    if lost:
        raise LabError(
            "image-not-imported",
            what=f"the node does not know {', '.join(lost)}",
            why="the import ended without an error, but the images are not there",
            state="other images were imported",
            next="python -m lab.target down, then up again",
        )
    return sorted(name for image in missing for name in image.names)


def write_archive(out: io.RawIOBase | io.BufferedIOBase, images: Iterable[Image], present: set[str]) -> None:
    """Write an OCI archive of the images without the blobs in `present` (hashes as `sha256:…`)."""
    manifests = []
    written = {digest.removeprefix("sha256:") for digest in present}
    with tarfile.open(fileobj=out, mode="w|", bufsize=1 << 20) as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        for image in images:
            for name in image.names:
                entry = descriptor(MANIFEST, image.digest, image.size)
                manifests.append({**entry, "annotations": {"io.containerd.image.name": name}})
            for digest in image.blobs:
                if digest not in written:
                    written.add(digest)
                    info = tarfile.TarInfo(f"blobs/sha256/{digest}")
                    info.size = blob(digest).stat().st_size
                    with blob(digest).open("rb") as content:
                        archive.addfile(info, content)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        _add(archive, "index.json", json.dumps(index).encode())


def _write_archive(pipe: Path, images: Sequence[Image], present: set[str]) -> None:
    try:
        with pipe.open("wb") as out:
            write_archive(out, images, present)
    except BrokenPipeError:
        return  # the reader failed, and its own error says why


def _known(socket: Path) -> dict[str, str]:
    """Return name → manifest hash of the images in containerd."""
    lines = _ctr(socket, "images", "ls").splitlines()[1:]
    words = [line.split() for line in lines if line.strip()]
    return {word[0]: word[2].removeprefix("sha256:") for word in words}


def _ctr(socket: Path, *argv: str) -> str:
    return run(["ctr", "-a", socket, "-n", _NAMESPACE, *argv], timeout_seconds=600).stdout


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
