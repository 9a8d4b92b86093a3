"""What a target's store really checks and whether its bucket is empty, by trying; what is tried is removed again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migration.errors import StepFailed
from migration.model.words import Finding, Severity
from migration.movers.s3 import Bucket, Trust


def of_trust(where: str, trust: Trust) -> Iterator[Finding]:
    """Yield what forbids to believe this store."""
    if not trust.writable:
        what = f"the bucket cannot be written: {trust.answer}"
        yield Finding(Severity.BLOCKER, "bucket-not-writable", where, what, "pulumi up on the system's data layer")
        return
    if not trust.refuses_wrong_md5:
        what = "the store accepted an object whose MD5 was wrong: damage on the way would not be noticed"
        yield Finding(Severity.BLOCKER, "store-accepts-wrong-checksum", where, what, "use another store")
    if not trust.etag_is_md5:
        what = "the store's ETag is not the MD5 of the content; written objects cannot be verified by it"
        advice = "use a bucket without its own encryption"
        yield Finding(Severity.BLOCKER, "store-etag-opaque", where, what, advice)


def of_others(where: str, others: Iterable[str]) -> Iterator[Finding]:
    """Yield a warning when the bucket holds objects of others before anything was carried."""
    first, count = "", 0
    for count, key in enumerate(others, start=1):  # noqa: B007  the last count is all of them
        first = first or key
    if count:
        what = f"the bucket already holds {count:,} objects, such as {first}"
        advice = "empty it by hand unless an interrupted move of ours left them: equal ones are kept"
        yield Finding(Severity.WARNING, "bucket-not-empty", where, what, advice)


def assert_trusted(bucket: Bucket, trust: Trust) -> None:
    """Raise `StepFailed` (store-not-trusted) when a write to this store would be no evidence."""
    if trust.writable and not trust.etag_is_md5:
        why = "its ETag is not the MD5 of the content"
    else:
        why = trust.answer or "it accepted an object whose MD5 was wrong"
    if not (trust.writable and trust.refuses_wrong_md5 and trust.etag_is_md5):
        raise StepFailed(
            "store-not-trusted",
            what=f"the bucket {bucket.name} is not used",
            why=why,
            state="nothing was carried; the source serves",
            next="dcshift check",
        )
