"""Two private stores with a bucket each, filled as citizens and applications fill them, and the mover between them."""

from __future__ import annotations

import contextlib
import io
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from lab.store_server import Store
from migration.movers import bucket_listing, objects
from migration.movers.bucket_store import Listed
from migration.movers.objects_job import ObjectsJob
from migration.movers.s3 import Bucket
from tests.support import patience
from tests.support.buckets import provided
from tests.support.moving_files import NFC, NFD

PART_BYTES = 5 * 1024 * 1024
DESCRIBED = {
    "content-type": "application/pdf",
    "cache-control": "max-age=60",
    "content-disposition": 'attachment; filename="a.pdf"',
    "x-amz-meta-so-ho-so": "H-01 & 2",
    "x-amz-tagging": "loai=don&nam=2026",
}
ODD = [NFC.decode(), NFD.decode(), "a b+c&d=#?%41.txt", "- dash", "a!'()*,;:@$.txt", ".dcshift/manifest.jsonl"]


@dataclass
class Said:
    """What a mover said, and how it ended."""

    code: int
    last: dict[str, Any]
    progress: list[dict[str, Any]]
    text: str

    @property
    def result(self) -> dict[str, Any]:
        assert "result" in self.last, self.text[-3000:]
        return dict(self.last["result"])

    @property
    def error(self) -> dict[str, str]:
        assert "error" in self.last, self.text[-3000:]
        assert set(self.last["error"]) == {"code", "what", "why", "state", "next"}
        assert "Traceback" not in self.text
        return dict(self.last["error"])


@dataclass
class Mover:
    """A mover at work."""

    process: subprocess.Popen[bytes]
    out: Path

    def until(self, sign: str, *, seconds: float = 240.0) -> None:
        """Wait until it has said so."""
        end = time.monotonic() + seconds
        while sign not in self.out.read_text():
            assert self.process.poll() is None, self.out.read_text()[-3000:]
            assert time.monotonic() < end, self.out.read_text()[-3000:]
            time.sleep(0.05)

    def until_noted(self, objects: int) -> None:
        """Wait until it has written down that so many objects are done: it says so, and then does it, each second."""
        patience.until(lambda: any(each >= objects for each in self._done()[:-1]), self.out.read_text()[-3000:])

    def _done(self) -> list[int]:
        whole = self.out.read_text().rpartition("\n")[0].splitlines()
        said = [json.loads(line).get("progress", {}) for line in whole if line.startswith("{")]
        return [int(each["objects_done"]) for each in said if "objects_done" in each]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self, *, seconds: float = 300.0) -> Said:
        code = self.process.wait(seconds)
        return _said(code, self.out.read_text())


@dataclass
class Pair:
    """A move from one bucket to another."""

    job: ObjectsJob
    source: Bucket
    target: Bucket
    running: list[Mover] = field(default_factory=list)

    def begin(self, *words: str, **changed: Any) -> Mover:
        """Start the mover as a process of its own: its job comes through stdin."""
        argv = [sys.executable, "-m", "migration.movers.objects", "--job", "-", *words]
        out = Path(tempfile.mkstemp(dir=self.job.staging.parent, prefix="said-")[1])
        with out.open("wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert process.stdin is not None
        process.stdin.write(self.job.model_copy(update=changed).as_json().encode())
        process.stdin.close()
        self.running.append(Mover(process, out))
        return self.running[-1]

    def do(self, *words: str, **changed: Any) -> Said:
        """Run the mover to its end, in this process: starting one takes as long as the work of most tests."""
        job = self.job.model_copy(update=changed)
        file = self.job.staging.parent / "job.json"
        file.touch(mode=0o600)
        file.write_text(job.as_json())
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = objects.main(["--job", str(file), *words])
        return _said(code, out.getvalue())

    def verified(self, *words: str, **changed: Any) -> list[str]:
        """Return the differences that the proof names."""
        return list(self.do("--do", "verify", *words, **changed).result["differences"])

    def verified_in_full(self, *words: str, **changed: Any) -> list[str]:
        return list(self.do("--do", "verify-full", *words, **changed).result["differences"])


def _said(code: int, out: str) -> Said:
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    progress = [line["progress"] for line in lines if "progress" in line]
    return Said(code, lines[-1] if lines else {}, progress, out)


def put(bucket: Bucket, key: str, body: bytes = b"", **headers: str) -> None:
    answer = bucket.request("PUT", key, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert answer.status_code == 200, answer.text


def delete(bucket: Bucket, key: str) -> None:
    assert bucket.request("DELETE", key).status_code in (200, 204)


def put_in_parts(bucket: Bucket, key: str, content: bytes, part_bytes: int) -> None:
    """Write an object in parts of a size that nobody will know afterwards."""
    begun = bucket.request("POST", key, query={"uploads": ""}, headers=DESCRIBED)
    upload = begun.text.split("<UploadId>")[1].split("<")[0]
    parts = ""
    for number, start in enumerate(range(0, len(content), part_bytes), start=1):
        query = {"partNumber": str(number), "uploadId": upload}
        answer = bucket.request("PUT", key, query=query, body=content[start : start + part_bytes])
        parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    done = bucket.request("POST", key, query={"uploadId": upload}, body=document)
    assert done.status_code == 200, done.text
    assert "<ETag>" in done.text, done.text


def put_large(bucket: Bucket, mebibytes: int, seed: int = 1, key: str = "large.bin") -> bytes:
    """Put an object of random bytes in parts; return them."""
    made = random.Random(seed).randbytes(mebibytes * 1024 * 1024)
    put_in_parts(bucket, key, made, 6 * 1024 * 1024)
    return made


def get(bucket: Bucket, key: str) -> httpx.Response:
    return bucket.request("GET", key)


def listed(bucket: Bucket) -> dict[str, Listed]:
    return {one.key: one for one in bucket_listing.listing(bucket)}


def content(bucket: Bucket) -> dict[str, tuple[int, str]]:
    """Return what citizens can see of a bucket: keys, sizes, and tags where they mean the content."""
    return {key: (one.size, one.etag if "-" not in one.etag else "") for key, one in listed(bucket).items()}


def fill(bucket: Bucket, objects: int = 120, *, large_bytes: int = 18 * 1024 * 1024) -> None:
    """Write objects of every kind."""
    chance = random.Random(7)
    for number in range(objects):
        put(bucket, f"ho-so/{number % 7:02}/tệp số {number}.pdf", chance.randbytes(int(chance.lognormvariate(8, 1))))
    for key in ODD:
        put(bucket, f"lạ/{key}" if not key.startswith(".") else key, key.encode())
    put(bucket, "empty.txt")
    put(bucket, "thư mục/")
    put(bucket, "described.pdf", b"described", **DESCRIBED)
    put(bucket, "packed.txt", b"\x1f\x8b these bytes are not gzip", content_encoding="gzip", content_type="text/plain")
    put_in_parts(bucket, "large.bin", chance.randbytes(large_bytes), 6 * 1024 * 1024)


def make(source: Store, target: Store, folder: Path, **changed: Any) -> Pair:
    """Make an empty bucket on both sides; the target's keeps versions, as each that `infra.provide` makes."""
    buckets = []
    for store in (source, target):
        name = f"b{random.SystemRandom().randrange(10**9)}"
        buckets.append(Bucket(store.endpoint, "lab", name, store.access_key, store.secret_key))
    assert buckets[0].request("PUT", "").status_code == 200
    provided(target, buckets[1].name)
    plain: dict[str, Any] = {
        "system": "portal",
        "name": "uploads",
        "token": 5,
        "source": buckets[0],
        "target": buckets[1],
        "staging": folder / "staging",
        "part_bytes": PART_BYTES,
        **changed,
    }
    return Pair(ObjectsJob(**plain), *buckets)


@contextmanager
def churn(bucket: Bucket) -> Iterator[None]:
    """Write as an application does, for as long as the block: new objects, changed objects, deleted objects."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            put(bucket, f"mới/{number}.txt", f"nội dung {number}\n".encode() * 50)
            if number > 5:
                put(bucket, f"mới/{number - 3}.txt", b"other")
                delete(bucket, f"mới/{number - 5}.txt")
            number += 1
            time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
