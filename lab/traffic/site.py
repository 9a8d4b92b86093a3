"""One system as citizens reach it: its public name over TLS at a given address; a write is sent once, never again."""

from __future__ import annotations

import random
import re
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, NoReturn

import httpx

from lab.traffic.content import Attachment, Inventor, content_sha256
from lab.traffic.ledger import Entry, Ledger, Outcome
from lab.traffic.statistics import Statistics, SystemCounters

# Longer than any hold: a citizen's browser waits minutes.
_TIMEOUT: Final = httpx.Timeout(60.0, connect=30.0, pool=60.0)
_TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_SERVER_ERROR: Final = 500


Visit = tuple[Callable[[], Awaitable[None]], int, int]
"""What to do, how often (a weight), and about how many requests it makes."""


class VisitFailed(Exception):  # noqa: N818  a word of the domain
    """A request did not give what a citizen needs; it was counted where it happened."""


@dataclass(frozen=True, slots=True)
class Form:
    """A page with a form, its CSRF token and the cookie that goes with it."""

    page: str
    token: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Write:
    """What is to be written: form data for the wire, `content` for the hash, `number_in` to read the answer."""

    kind: str
    client_ref: str
    path: str
    data: Mapping[str, str]
    content: Mapping[str, str]
    attachment: Attachment | None
    number_in: Callable[[httpx.Response], str | None]


@dataclass(frozen=True, slots=True)
class Door:
    """The way in: the public name, the address (or address:port) it stands for, and what carries requests there."""

    host: str
    address: str
    transport: httpx.AsyncBaseTransport


def from_the_lab(local_address: str, ca: str) -> httpx.AsyncHTTPTransport:
    """Return the transport of real citizens: TLS by the authority `ca`, few idle connections, from one address."""
    return httpx.AsyncHTTPTransport(
        verify=ssl.create_default_context(cafile=ca),
        limits=httpx.Limits(max_connections=600, max_keepalive_connections=60, keepalive_expiry=5),
        local_address=local_address,
    )


class Site:
    """Requests to one system, each counted."""

    def __init__(self, system: str, door: Door, statistics: Statistics, ledger: Ledger) -> None:
        host, address = door.host, door.address
        self.system, self.host = system, host
        self.chance = random.Random()  # noqa: S311  nothing secret is drawn
        self.invent = Inventor(self.chance)
        self._statistics, self._ledger = statistics, ledger
        _, _, port = address.partition(":")
        self._origin = f"https://{host}" + (f":{port}" if port else "")
        self._client = httpx.AsyncClient(
            base_url=f"https://{address}",
            headers={"Host": host + (f":{port}" if port else ""), "User-Agent": "Mozilla/5.0 (citizen)"},
            transport=door.transport,
            timeout=_TIMEOUT,
            trust_env=False,
            # Each visit is a browser of its own: a jar shared by all would mix up their tokens.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @property
    def counters(self) -> SystemCounters:
        """Return this system's counters."""
        return self._statistics.systems[self.system]

    async def get(self, path: str, kind: str, *, accepted: tuple[int, ...] = (200,)) -> httpx.Response:
        """Read a page; raises `VisitFailed` after counting when it is not one of the accepted answers."""
        try:
            with self._statistics.request(self.system, f"GET {path[:120]}"):
                answer = await self._client.get(path, extensions={"sni_hostname": self.host})
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            self.counters.fail(kind, _words(error))
            raise VisitFailed(kind) from error
        if answer.status_code not in accepted:
            self.counters.fail(kind, f"GET {path}: HTTP {answer.status_code}: {answer.text[:200]}")
            raise VisitFailed(kind)
        return answer

    async def form(self, path: str, kind: str) -> Form:
        """Open a page with a form; raises `VisitFailed` after counting when it has none."""
        answer = await self.get(path, kind)
        token, cookie = _TOKEN.search(answer.text), answer.cookies.get("csrftoken")
        if token is None or cookie is None:
            self.useless(kind, f"GET {path}: the page has no form that could be sent")
        return Form(answer.text, token.group(1), cookie)

    def useless(self, kind: str, why: str) -> NoReturn:
        """Count a page that was answered but is of no use; raises `VisitFailed`."""
        self.counters.fail(kind, why)
        raise VisitFailed(kind)

    async def write(self, write: Write, form: Form) -> str:
        """Send a write once; return the number that acknowledged it, after its ledger line is on the disk.

        Raises `VisitFailed`: the ledger then says whether it was refused for certain or its answer was lost.
        """
        entry = Entry(
            outcome=Outcome.SENT,
            system=self.system,
            kind=write.kind,
            client_ref=write.client_ref,
            content_sha256=content_sha256(write.content),
            attachment_sha256=write.attachment.sha256 if write.attachment else None,
            attachment_name=write.attachment.name if write.attachment else None,
            sent_at=time.time(),
        )
        self._ledger.note(entry)
        outcome, number, error = await self._post(write, form)
        await self._ledger.record(entry.became(outcome, number=number, now=time.time()))
        if outcome is Outcome.ACKNOWLEDGED and number is not None:
            self.counters.acknowledged += 1
            return number
        if outcome is Outcome.AMBIGUOUS:
            self.counters.ambiguous += 1
        self.counters.fail(write.kind, error)
        raise VisitFailed(write.kind)

    async def _post(self, write: Write, form: Form) -> tuple[Outcome, str | None, str]:
        # Django compares the referrer's origin with the host on every secure POST.
        headers = {"Referer": f"{self._origin}{write.path}", "Origin": self._origin}
        headers["Cookie"] = f"csrftoken={form.cookie}"
        files = {"attachment": (write.attachment.name, write.attachment.content)} if write.attachment else None
        data = {**write.data, "csrfmiddlewaretoken": form.token}
        extensions = {"sni_hostname": self.host}
        try:
            with self._statistics.request(self.system, f"POST {write.path}"):
                answer = await self._client.post(
                    write.path, data=data, files=files, headers=headers, extensions=extensions
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Outcome.REFUSED, None, _words(error)  # no byte of it left this machine
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            return Outcome.AMBIGUOUS, None, _words(error)
        number = write.number_in(answer) if answer.is_redirect else None
        if number is not None:
            return Outcome.ACKNOWLEDGED, number, ""
        # A server that failed may have written before it did; one that says 4xx has not.
        lost = answer.status_code >= _SERVER_ERROR or answer.is_redirect
        told = f"POST {write.path}: HTTP {answer.status_code} {answer.headers.get('location', '')}: {answer.text[:300]}"
        return (Outcome.AMBIGUOUS if lost else Outcome.REFUSED), None, told


def new_reference() -> str:
    """Return a reference that no other write has."""
    return str(uuid.uuid4())


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
