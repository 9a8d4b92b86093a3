"""The audit finds each kind of broken promise and names the write; it never takes silence for proof."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.traffic.audit import Audit, Found, audit, folder_reader, judge
from lab.traffic.content import content_sha256
from lab.traffic.ledger import Entry, Outcome

FIELDS = {"applicant_name": "Nguyễn Thị Hạnh", "note": "dòng một\r\ndòng hai"}
CONTENT = "tệp đính kèm".encode()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def entry(reference: str = "ref-1", outcome: Outcome = Outcome.ACKNOWLEDGED) -> Entry:
    return Entry(
        outcome=outcome,
        system="portal",
        kind="dossier",
        client_ref=reference,
        content_sha256=content_sha256(FIELDS),
        attachment_sha256=SHA256,
        attachment_name="Đơn đề nghị.pdf",
        sent_at=1.0,
        number="KH-2026-300001" if outcome is Outcome.ACKNOWLEDGED else None,
        acked_at=2.0,
        latency_seconds=1.0,
    )


def row(reference: str = "ref-1", number: str = "KH-2026-300001") -> Found:
    return Found(reference, number, content_sha256(dict(reversed(FIELDS.items()))), (("ho-so/a", "Đơn đề nghị.pdf"),))


def judged(entries: list[Entry], rows: list[Found], files: dict[str, str] | None = None) -> Audit:
    found: dict[str, list[Found]] = {}
    for each in rows:
        found.setdefault(each.client_ref, []).append(each)
    kept = {"ho-so/a": SHA256} if files is None else files

    def read(path: str) -> str:
        if path not in kept:
            raise FileNotFoundError(path)
        return kept[path]

    return judge("portal", entries, found, read)


def test_a_kept_promise_is_verified() -> None:
    result = judged([entry()], [row()])
    assert result.verified
    assert (result.acknowledged, result.attachments) == (1, 1)


def test_an_audit_of_nothing_proves_nothing() -> None:
    assert not judged([], []).verified


def test_a_lost_write_is_found() -> None:
    result = judged([entry("ref-1"), entry("ref-2")], [row("ref-1")])
    assert [offence.client_ref for offence in result.lost] == ["ref-2"]
    assert not result.verified


def test_a_doubled_write_is_found() -> None:
    result = judged([entry()], [row(), row(number="KH-2026-300002")])
    assert [offence.client_ref for offence in result.duplicated] == ["ref-1"]
    assert "KH-2026-300001, KH-2026-300002" in result.duplicated[0].why
    assert not result.verified


def test_altered_texts_are_found() -> None:
    changed = replace(row(), content_sha256=content_sha256({**FIELDS, "note": "dòng một\ndòng hai"}))
    result = judged([entry()], [changed])
    assert [offence.client_ref for offence in result.altered] == ["ref-1"]
    assert not result.verified


def test_another_number_than_the_promised_one_is_found() -> None:
    assert judged([entry()], [row(number="KH-2026-300009")]).altered


@pytest.mark.parametrize(
    ("files", "why"),
    [({}, "is missing"), ({"ho-so/a": "0" * 64}, "has other content")],
    ids=["missing", "changed"],
)
def test_a_missing_or_changed_attachment_is_found(files: dict[str, str], why: str) -> None:
    result = judged([entry()], [row()], files)
    assert why in result.altered[0].why


def test_a_renamed_or_extra_attachment_is_found() -> None:
    decomposed = unicodedata.normalize("NFD", "Đơn đề nghị.pdf")
    renamed = replace(row(), attachments=(("ho-so/a", decomposed),))
    assert judged([entry()], [renamed]).altered
    twice = replace(row(), attachments=row().attachments * 2)
    assert "has 2 attachments, 1 were sent" in judged([entry()], [twice]).altered[0].why


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.AMBIGUOUS])
def test_an_unanswered_write_may_be_there_or_not(outcome: Outcome) -> None:
    kept = entry("ref-1")
    there = judged([kept, entry("ref-2", outcome)], [row("ref-1"), row("ref-2")])
    gone = judged([kept, entry("ref-2", outcome)], [row("ref-1")])
    assert there.verified
    assert gone.verified
    assert (there.ambiguous_present, there.ambiguous_absent) == (1, 0)
    assert (gone.ambiguous_present, gone.ambiguous_absent) == (0, 1)


def test_an_unanswered_write_may_not_be_there_twice() -> None:
    result = judged([entry(outcome=Outcome.AMBIGUOUS)], [row(), row(number="KH-2026-300002")])
    assert result.duplicated


def test_the_report_names_every_offence() -> None:
    told = judged([entry()], []).as_json()
    assert told["lost"] == 1
    assert told["offences"] == {
        "lost": [
            {
                "client_ref": "ref-1",
                "kind": "dossier",
                "number": "KH-2026-300001",
                "why": "was acknowledged and is not there",
            }
        ],
        "duplicated": [],
        "altered": [],
    }


def test_a_missing_ledger_is_an_error_and_not_an_empty_audit(tmp_path: Path) -> None:
    with pytest.raises(LabError) as raised:
        audit(tmp_path / "none.jsonl", "portal", "host=127.0.0.1", lambda path: path)
    assert raised.value.code == "ledger-missing"


def test_an_unreachable_database_is_an_error(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("")
    with pytest.raises(LabError) as raised:
        audit(ledger, "portal", "host=127.0.0.1 port=1 dbname=none", lambda path: path)
    assert raised.value.code == "audit-database"


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "Ảnh thẻ.png").write_bytes(CONTENT)
    assert folder_reader(tmp_path)("Ảnh thẻ.png") == SHA256
    with pytest.raises(FileNotFoundError):
        folder_reader(tmp_path)("none")
