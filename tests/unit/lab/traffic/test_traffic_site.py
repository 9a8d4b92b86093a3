"""A write is sent exactly once, whatever the answer, and the ledger says what is known of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from lab.traffic.content import Attachment
from lab.traffic.ledger import Entry, Ledger, Outcome, read
from lab.traffic.site import Door, Form, Site, VisitFailed, Write
from lab.traffic.statistics import Statistics

HOST = "dichvucong.khanhhoa.example"
FORM = '<input type="hidden" name="csrfmiddlewaretoken" value="token-1">'
Answer = Callable[[httpx.Request], httpx.Response]


class Bench:
    """One site behind an invented answer, and all that reached it."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self.folder, self.requests = folder, list[httpx.Request]()
        self.statistics = Statistics(["portal"], folder / "stats.json")
        self._answer = answer

    def handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return self._answer(request)

    def write(self) -> str | None:
        """Send one write; return its number, None if the visit failed."""

        async def run() -> str | None:
            async with Ledger(self.folder / "ledger.jsonl") as ledger:
                door = Door(HOST, "127.0.0.1", httpx.MockTransport(self.handle))
                site = Site("portal", door, self.statistics, ledger)
                write = Write(
                    kind="dossier",
                    client_ref="ref-1",
                    path="/nop-ho-so/1.000/",
                    data={"client_ref": "ref-1", "note": "xin chào"},
                    content={"note": "xin chào"},
                    attachment=Attachment("Đơn.pdf", b"content"),
                    number_in=lambda answer: answer.headers.get("location"),
                )
                try:
                    return await site.write(write, Form(FORM, "token-1", "cookie-1"))
                except VisitFailed:
                    return None
                finally:
                    await site.close()

        return asyncio.run(run())

    @property
    def entry(self) -> Entry:
        return read(self.folder / "ledger.jsonl")["ref-1"]


def test_an_answered_write_is_in_the_ledger_with_its_number(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda request: httpx.Response(303, headers={"location": "KH-1"}))
    assert bench.write() == "KH-1"
    assert (bench.entry.outcome, bench.entry.number) == (Outcome.ACKNOWLEDGED, "KH-1")
    assert bench.entry.attachment_name == "Đơn.pdf"
    assert bench.statistics.systems["portal"].acknowledged == 1


def test_a_write_carries_name_token_cookie_and_origin(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda request: httpx.Response(303, headers={"location": "KH-1"}))
    bench.write()
    sent = bench.requests[0]
    assert sent.headers["host"] == HOST
    assert sent.headers["cookie"] == "csrftoken=cookie-1"
    assert sent.headers["origin"] == f"https://{HOST}"
    assert sent.extensions["sni_hostname"] == HOST
    assert b"token-1" in sent.content
    assert "Đơn.pdf".encode() in sent.content


def failing(error: type[httpx.TransportError]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("no answer", request=request)

    return answer


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (failing(httpx.ReadTimeout), Outcome.AMBIGUOUS),
        (failing(httpx.RemoteProtocolError), Outcome.AMBIGUOUS),
        (failing(httpx.WriteError), Outcome.AMBIGUOUS),
        (lambda request: httpx.Response(500), Outcome.AMBIGUOUS),
        (lambda request: httpx.Response(502), Outcome.AMBIGUOUS),
        (lambda request: httpx.Response(302, headers={}), Outcome.AMBIGUOUS),
        (failing(httpx.ConnectError), Outcome.REFUSED),
        (failing(httpx.ConnectTimeout), Outcome.REFUSED),
        (lambda request: httpx.Response(403), Outcome.REFUSED),
    ],
    ids=["read-timeout", "cut-off", "half-sent", "500", "502", "strange-redirect", "no-connection", "slow", "403"],
)
def test_an_unanswered_write_is_never_sent_again(tmp_path: Path, answer: Answer, outcome: Outcome) -> None:
    bench = Bench(tmp_path, answer)
    assert bench.write() is None
    assert len(bench.requests) == 1
    assert bench.entry.outcome is outcome
    counters = bench.statistics.systems["portal"]
    assert (counters.failed, counters.acknowledged, counters.requests) == (1, 0, 1)


def test_a_page_without_form_is_a_counted_failure(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda request: httpx.Response(200, text="<p>nothing</p>"))

    async def run() -> None:
        async with Ledger(tmp_path / "ledger.jsonl") as ledger:
            door = Door(HOST, "127.0.0.1", httpx.MockTransport(bench.handle))
            await Site("portal", door, bench.statistics, ledger).form("/x/", "dossier-form")

    with pytest.raises(VisitFailed):
        asyncio.run(run())
    assert bench.statistics.systems["portal"].failures["dossier-form"]["count"] == 1
