"""Compares what citizens were promised with what a database and its files hold; it never trusts, mends or guesses.

An acknowledged write must be there exactly once, with equal texts and equal attachment. A write whose answer was lost
may be there once or not at all, never twice; if it is there it must be whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

from lab.errors import LabError
from lab.traffic.content import content_sha256
from lab.traffic.ledger import Entry, Outcome, read
from lab.traffic.queries import QUERIES

ReadAttachment = Callable[[str], str]
"""Return the SHA-256 of the attachment at this path (or key); raise `FileNotFoundError` when there is none."""

_READERS: Final = 16


@dataclass(frozen=True, slots=True)
class Offence:
    """One broken promise: which write, and what is wrong with it."""

    client_ref: str
    kind: str
    number: str | None
    why: str


@dataclass(slots=True)
class Audit:
    """What became of one system's writes; `verified` only if something was checked and nothing is wrong."""

    system: str
    acknowledged: int = 0
    attachments: int = 0
    lost: list[Offence] = field(default_factory=list)
    duplicated: list[Offence] = field(default_factory=list)
    altered: list[Offence] = field(default_factory=list)
    ambiguous_present: int = 0
    ambiguous_absent: int = 0
    refused: int = 0

    @property
    def verified(self) -> bool:
        """Say whether every promise was kept; an audit of nothing proves nothing."""
        return self.acknowledged > 0 and not (self.lost or self.duplicated or self.altered)

    def as_json(self) -> dict[str, object]:
        """Return the audit for reports: counts, verdict, and every offence."""
        offences = {name: getattr(self, name) for name in ("lost", "duplicated", "altered")}
        plain = ("system", "acknowledged", "attachments", "ambiguous_present", "ambiguous_absent", "refused")
        return {
            **{name: getattr(self, name) for name in plain},
            **{name: len(found) for name, found in offences.items()},
            "verified": self.verified,
            "offences": {name: [asdict(offence) for offence in found] for name, found in offences.items()},
        }


@dataclass(frozen=True, slots=True)
class Found:
    """A write as the database holds it."""

    client_ref: str
    number: str
    content_sha256: str
    attachments: tuple[tuple[str, str], ...]


def audit(ledger: Path, system: str, dsn: str, read_attachment: ReadAttachment) -> Audit:
    """Audit one system against the database at `dsn`; raises `LabError` when the ledger or the database cannot be read.

    One query a kind of write, whatever the number of entries; attachments are read by 16 threads.
    """
    if not ledger.exists():
        raise LabError(
            "ledger-missing",
            what=f"the writes of {system} could not be audited",
            why=f"{ledger} does not exist",
            state="nothing was checked",
            next="run the citizens first: python -m lab.traffic --help",
        )
    entries = [entry for entry in read(ledger).values() if entry.system == system]
    return judge(system, entries, _look_up(entries, system, dsn), read_attachment)


def judge(
    system: str, entries: Iterable[Entry], found: Mapping[str, list[Found]], read_attachment: ReadAttachment
) -> Audit:
    """Judge entries by what was found under their references."""
    result = Audit(system)
    judged = [_judge(entry, found.get(entry.client_ref, []), result) for entry in entries]
    with ThreadPoolExecutor(_READERS) as readers:
        owed = [pair for pair in judged if pair is not None]
        for entry, why in readers.map(lambda pair: (pair[0], _compare_file(pair[0], pair[1], read_attachment)), owed):
            result.attachments += entry.attachment_sha256 is not None
            if why is not None:
                result.altered.append(Offence(entry.client_ref, entry.kind, entry.number, why))
    return result


def _look_up(entries: Iterable[Entry], system: str, dsn: str) -> dict[str, list[Found]]:
    by_kind: dict[str, list[str]] = {}
    for entry in entries:
        by_kind.setdefault(entry.kind, []).append(entry.client_ref)
    found: dict[str, list[Found]] = {}
    try:
        with psycopg.connect(dsn, row_factory=dict_row, connect_timeout=10) as connection:
            connection.read_only = True
            for kind, references in by_kind.items():
                for row in connection.execute(QUERIES[system][kind], {"references": references}):
                    found.setdefault(row["client_ref"], []).append(_from_row(row))
    except psycopg.Error as error:
        raise LabError(
            "audit-database",
            what=f"the writes of {system} could not be audited",
            why=f"{type(error).__name__}: {error}".strip(),
            state="nothing was changed; an audit that could not run counts as failed",
            next="check that the database of the serving side answers at the given address, then audit again",
        ) from error
    return found


def _from_row(row: dict[str, Any]) -> Found:
    files = tuple((str(each["path"]), str(each["name"])) for each in row["attachments"])
    return Found(row["client_ref"], row["number"], content_sha256(row["fields"]), files)


def _judge(entry: Entry, rows: list[Found], result: Audit) -> tuple[Entry, Found] | None:
    """Sort one write by its rows; return it with its row when its attachment is still to be compared."""

    def offence(why: str) -> Offence:
        return Offence(entry.client_ref, entry.kind, entry.number, why)

    promised = entry.outcome is Outcome.ACKNOWLEDGED
    result.acknowledged += promised
    if entry.outcome is Outcome.REFUSED:
        # Nothing was promised; but what was said to be refused must not have been written twice either.
        result.refused += 1
    elif not promised:
        result.ambiguous_present += bool(rows)
        result.ambiguous_absent += not rows
    if len(rows) > 1:
        numbers = ", ".join(sorted(row.number for row in rows))
        result.duplicated.append(offence(f"is there {len(rows)} times: {numbers}"))
        return None
    if not rows:
        if promised:
            result.lost.append(offence("was acknowledged and is not there"))
        return None
    row = rows[0]
    if row.content_sha256 != entry.content_sha256:
        result.altered.append(offence(f"its texts differ from what was sent (now {row.content_sha256[:12]})"))
        return None
    if promised and entry.number != row.number:
        result.altered.append(offence(f"was acknowledged as {entry.number} and is there as {row.number}"))
        return None
    return entry, row


def _compare_file(entry: Entry, row: Found, read_attachment: ReadAttachment) -> str | None:
    """Return what is wrong with a write's attachment, None if nothing is."""
    owed = 0 if entry.attachment_sha256 is None else 1
    if len(row.attachments) != owed:
        return f"has {len(row.attachments)} attachments, {owed} were sent"
    if not owed:
        return None
    path, name = row.attachments[0]
    if name != entry.attachment_name:
        return f"its attachment is named {name!r}, {entry.attachment_name!r} was sent"
    try:
        actual = read_attachment(path)
    except FileNotFoundError:
        return f"its attachment {path!r} is missing"
    return None if actual == entry.attachment_sha256 else f"its attachment {path!r} has other content"


def folder_reader(folder: Path) -> ReadAttachment:
    """Return a reader of attachments below a folder."""

    def sha256(path: str) -> str:
        with (folder / path).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()

    return sha256


def bucket_reader(endpoint: str, bucket: str, access_key: str, secret_key: str, region: str = "lab") -> ReadAttachment:
    """Return a reader of attachments in a bucket whose keys equal the paths."""
    from obstore.store import S3Store

    store = S3Store(
        bucket,
        endpoint=endpoint,
        access_key_id=access_key,
        secret_access_key=secret_key,
        region=region,
        virtual_hosted_style_request=False,
        client_options={"allow_http": urlsplit(endpoint).scheme == "http"},
    )

    def sha256(path: str) -> str:
        return hashlib.sha256(store.get(path).bytes()).hexdigest()

    return sha256
