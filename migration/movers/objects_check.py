"""What speaks against moving a bucket: keys that cannot be carried, settings that do not come along; it only reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migration.errors import StepFailed
from migration.model.words import Finding, Severity
from migration.movers import bucket_check, bucket_listing, s3
from migration.movers.objects_claim import read as claim_of
from migration.movers.objects_index import Index
from migration.movers.objects_job import ObjectsJob
from migration.movers.objects_plan import OURS, PROBE, refusal
from migration.movers.objects_store import NOT_CARRIED, ObjectStore, TagsUnread
from migration.movers.s3 import Bucket

_NAMED_MAX: Final = 5
_UNKNOWN_TO_IT: Final = (400, 404, 405, 501)
"""Answers of a store that has no such setting, or does not know the question."""
_SETTINGS: Final = {
    "versioning": ("Status", "versions are kept: only the newest is carried"),
    "object-lock": ("ObjectLockEnabled", "objects are locked: retention and legal hold are not carried"),
    "lifecycle": ("Rule", "a life cycle removes or moves objects: its rules are not carried"),
    "policy": (None, "it has a policy, which is not carried"),
    "cors": ("CORSRule", "browsers may read it from other sites (CORS): the rules are not carried"),
    "encryption": ("Rule", "the store encrypts it: the target's own setting holds there"),
    "website": ("IndexDocument", "it is served as a website, which is not carried"),
    "notification": ("*", "it tells of changes (notifications), which is not carried"),
    "replication": ("Rule", "it is replicated by its store, which is not carried"),
    "logging": ("LoggingEnabled", "accesses are logged, which is not carried"),
    "tagging": ("Tag", "the bucket itself has tags, which are not carried"),
}


def findings(job: ObjectsJob, index: Index) -> list[Finding]:
    """Return what both buckets say; the source's list is kept in the index."""
    source = ObjectStore(job.source, "source", part_bytes=job.part_bytes)
    try:
        index.keep_listing("source", bucket_listing.listing(job.source))
    except StepFailed as failure:
        what = f"the source cannot be listed: {failure.why}"
        return [Finding(Severity.BLOCKER, "bucket-not-read", job.source.url, what, "mend it, then check again")]
    found = [*_keys(job, index), *_classes(job, index), *_settings(job.source), *_tags(job, source, index)]
    found.append(Finding(Severity.INFO, "not-carried", job.source.url, f"never carried: {NOT_CARRIED}", "nothing"))
    return [*found, *_target(job)]


def _target(job: ObjectsJob) -> Iterator[Finding]:
    trust = s3.probe(job.target, PROBE)
    yield from bucket_check.of_trust(job.target.url, trust)
    if not trust.writable:
        return
    try:
        if claim_of(ObjectStore(job.target, "target", part_bytes=job.part_bytes)) is None:
            others = (one.key for one in bucket_listing.listing(job.target) if one.key not in OURS)
            yield from bucket_check.of_others(job.target.url, others)
    except StepFailed as failure:
        what = f"the target cannot be listed: {failure.why}"
        yield Finding(Severity.BLOCKER, "bucket-not-read", job.target.url, what, "mend it, then check again")


def shown(key: str) -> str:
    """Return a key for people, with what is not to be seen escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in key)


def _odd(job: ObjectsJob, index: Index) -> dict[bool, tuple[int, list[str]]]:
    """Return how many keys cannot be carried, and the first of them with the reason: decided upon (True) or not."""
    counts, named = {True: 0, False: 0}, {True: list[str](), False: list[str]()}
    for one in index.every_key():
        if one.source is None or one.key in OURS:
            continue
        why = refusal(one.key, one.source.size, job.part_bytes)
        if why is not None:
            decided = job.is_left_behind(one.key)
            counts[decided] += 1
            if counts[decided] <= _NAMED_MAX:
                named[decided].append(f"{shown(one.key)} ({why})")
    return {decided: (counts[decided], named[decided]) for decided in counts}


def _keys(job: ObjectsJob, index: Index) -> Iterator[Finding]:
    odd = _odd(job, index)
    count, named = odd[False]
    if count:
        what = f"{count:,} objects cannot be carried under their keys: {', '.join(named)}"
        advice = "copy them to other keys at the source, or name them in left_behind"
        yield Finding(Severity.BLOCKER, "keys-not-carried", job.source.url, what, advice)
    count, named = odd[True]
    if count:
        what = f"{count:,} objects are left behind by decision: {', '.join(named)}"
        yield Finding(Severity.INFO, "left-behind", job.source.url, what, "nothing")


def _classes(job: ObjectsJob, index: Index) -> Iterator[Finding]:
    others = {name: count for name, count in index.storage_classes().items() if name != "STANDARD"}
    if others:
        what = "objects of other storage classes become ordinary ones, and archived ones must be restored before: "
        what += ", ".join(f"{count:,} {name}" for name, count in sorted(others.items()))
        yield Finding(Severity.WARNING, "storage-class", job.source.url, what, "restore what is archived")


def _settings(bucket: Bucket) -> Iterator[Finding]:
    for question, (sign, what) in _SETTINGS.items():
        advice = "set the same at the target if it is needed there"
        try:
            answer = bucket_listing.ask(bucket, {question: ""})
            if answer.status_code in _UNKNOWN_TO_IT:
                continue
            if answer.status_code == 200 and sign is None:
                yield Finding(Severity.WARNING, f"{question}-not-carried", bucket.url, what, advice)
                continue
            document = bucket_listing.parsed(bucket, answer)
            if document.find(f".//{{*}}{sign}" if sign != "*" else "*") is not None:
                yield Finding(Severity.WARNING, f"{question}-not-carried", bucket.url, what, advice)
        except StepFailed as failure:
            unread = f"it could not be asked for its {question}: {failure.why[:200]}"
            yield Finding(Severity.WARNING, "setting-not-read", bucket.url, unread, "look at it by hand")


def _tags(job: ObjectsJob, source: ObjectStore, index: Index) -> Iterator[Finding]:
    first = next((one.key for one in index.every_key() if one.source is not None), None)
    if first is None:
        return
    try:
        source.tags(first)
    except (TagsUnread, StepFailed) as why:
        what = f"the source does not say which tags its objects have, so none are carried: {why}"
        yield Finding(Severity.WARNING, "tags-not-read", job.source.url, what, "give its keys the right to read tags")


def assert_keys(job: ObjectsJob, index: Index) -> None:
    """Raise `StepFailed` (keys-not-carried) when keys cannot be carried about which nobody decided."""
    count, named = _odd(job, index)[False]
    if count:
        raise StepFailed(
            "keys-not-carried",
            what=f"{count:,} objects of {job.system}/{job.name} cannot be carried under their keys",
            why=", ".join(named),
            state="nothing of this pass was carried; the source was only read and serves",
            next="copy them to other keys at the source, or name them in left_behind of the job",
        )


def assert_nobodys(job: ObjectsJob, keys: list[str]) -> None:
    """Raise `StepFailed` (target-holds-others) when objects at the target are in the way that we did not write."""
    if keys:
        raise StepFailed(
            "target-holds-others",
            what=f"objects in {job.target.name} are not those that we wrote, and were left as they are",
            why=f"the source has other objects under the same keys: {', '.join(keys[:5])}",
            state="everything else of this pass was carried; nothing of others was replaced",
            next="remove them if they are not needed, or set overwrite in the job; then the same command goes on",
        )
