"""What citizens do on the feedback system; a ticket is known only to the visit that filed it."""

from __future__ import annotations

import re
from collections import deque
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx

from lab.traffic.site import Site, Visit, Write, new_reference

_QUEUE: Final = re.compile(r'<option value="([0-9]+)">')
_REPLY: Final = re.compile(r'action="(/tra-loi/([0-9]+)/)"')
_FOLLOWUP: Final = re.compile(r"#y-kien-([0-9]+)$")
_ATTACHMENT_SHARE: Final = 0.5


class FeedbackCitizens:
    """Visits to the feedback system with their weights and how many requests each makes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pages: deque[str] = deque(maxlen=300)
        self.visits: tuple[Visit, ...] = (
            (self.home, 15, 1),
            (self.submit, 40, 3),
            (self.view, 20, 1),
            (self.reply, 25, 2),
        )

    async def home(self) -> None:
        """Read the first page."""
        await self._site.get("/", "home")

    async def submit(self) -> None:
        """Send feedback, with a file in half of the cases, and read its page."""
        path = "/tickets/submit/"
        form = await self._site.form(path, "ticket-form")
        queues = _QUEUE.findall(form.page)
        if not queues:
            self._site.useless("ticket-form", f"GET {path}: the form has no queue to choose")
        reference, queue = new_reference(), self._site.chance.choice(queues)
        texts = self._site.invent.ticket(reference)
        where: list[str] = []
        await self._site.write(
            Write(
                kind="ticket",
                client_ref=reference,
                path=path,
                data={**texts, "queue": queue},
                content={**texts, "queue": queue},
                attachment=self._site.invent.attachment() if self._site.chance.random() < _ATTACHMENT_SHARE else None,
                number_in=lambda answer: _ticket(answer, where),
            ),
            form,
        )
        self._pages.append(where[0])
        await self._site.get(where[0], "ticket-page")

    async def view(self) -> None:
        """Read a ticket sent before."""
        if not self._pages:
            return await self.home()
        await self._site.get(self._site.chance.choice(self._pages), "ticket")
        return None

    async def reply(self) -> None:
        """Add to a ticket sent before."""
        if not self._pages:
            return await self.home()
        path = self._site.chance.choice(self._pages)
        form = await self._site.form(path, "reply-form")
        action = _REPLY.search(form.page)
        if action is None:
            self._site.useless("reply-form", f"GET {path}: the ticket sent before cannot be answered")
        known, reference = parse_qs(urlsplit(path).query), new_reference()
        comment = self._site.invent.reply(reference)
        await self._site.write(
            Write(
                kind="reply",
                client_ref=reference,
                path=action.group(1),
                data={"mail": known["email"][0], "key": known["key"][0], "comment": comment},
                content={"ticket": action.group(2), "comment": comment},
                attachment=self._site.invent.attachment() if self._site.chance.random() < _ATTACHMENT_SHARE else None,
                number_in=_followup,
            ),
            form,
        )
        return None


def _ticket(answer: httpx.Response, where: list[str]) -> str | None:
    """Return the ticket's id from the redirect to its page, and keep the page's address in `where`."""
    location: str = answer.headers.get("location", "")
    ticket = parse_qs(urlsplit(location).query).get("ticket", [""])[0]
    if not ticket:
        return None
    where.append(location)
    return ticket.rpartition("-")[2]


def _followup(answer: httpx.Response) -> str | None:
    found = _FOLLOWUP.search(answer.headers.get("location", ""))
    return found.group(1) if found else None
