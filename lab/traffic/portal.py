"""What citizens do on the portal; each visit is one of few kinds and remembers only what it filed itself."""

from __future__ import annotations

import re
from collections import deque
from typing import Final

import httpx

from lab.traffic.site import Site, Visit, Write, new_reference

_CODE: Final = re.compile(r'class="code">([^<]+)</td><td><a href="([^"]+)"')
_FEE: Final = re.compile(r"Thanh toán ([0-9.]+) đồng</button>")
_NUMBER: Final = re.compile(r"/ho-so/(KH-[0-9]+-[0-9]+)/")
_ATTACHMENT_SHARE: Final = 0.6


class PortalCitizens:
    """Visits to the portal with their weights and how many requests each makes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._procedures: list[tuple[str, str]] = []
        self._filed: deque[str] = deque(maxlen=500)
        self._unpaid: deque[str] = deque(maxlen=500)
        self.visits: tuple[Visit, ...] = (
            (self.home, 6, 1),
            (self.browse, 14, 2),
            (self.file, 34, 3),
            (self.pay, 16, 2),
            (self.status, 30, 1),
        )

    async def home(self) -> None:
        """Read the first page."""
        await self._site.get("/", "home")

    async def browse(self) -> None:
        """Read a page of the catalogue and one procedure on it."""
        page, level = self._site.chance.randrange(1, 15), self._site.chance.choice("34")
        listed = await self._site.get(f"/thu-tuc/?muc={level}&trang={page}", "catalogue")
        found = _CODE.findall(listed.text)
        if found:
            self._procedures = [*found, *self._procedures][:200]
            await self._site.get(self._site.chance.choice(found)[1], "procedure")

    async def file(self) -> None:
        """File a dossier, with a file in most cases, and read its page."""
        if not self._procedures:
            await self.browse()
        code = self._site.chance.choice(self._procedures)[0]
        path = f"/nop-ho-so/{code}/"
        form = await self._site.form(path, "dossier-form")
        texts, reference = self._site.invent.dossier(), new_reference()
        with_file = self._site.chance.random() < _ATTACHMENT_SHARE
        number = await self._site.write(
            Write(
                kind="dossier",
                client_ref=reference,
                path=path,
                data={**texts, "client_ref": reference},
                content={**texts, "procedure": code},
                attachment=self._site.invent.attachment() if with_file else None,
                number_in=_number,
            ),
            form,
        )
        self._filed.append(number)
        page = await self._site.get(f"/ho-so/{number}/", "dossier-page")
        if _FEE.search(page.text):
            self._unpaid.append(number)

    async def pay(self) -> None:
        """Pay one of the dossiers filed before, once."""
        if not self._unpaid:
            return await self.status()
        number, reference = self._unpaid.popleft(), new_reference()
        page = f"/ho-so/{number}/"
        form = await self._site.form(page, "payment-form")
        fee = _FEE.search(form.page)
        if fee is None:
            self._site.useless("payment-form", f"GET {page}: the dossier filed before cannot be paid")
        await self._site.write(
            Write(
                kind="payment",
                client_ref=reference,
                path=f"{page}thanh-toan/",
                data={"client_ref": reference},
                content={"number": number, "amount": fee.group(1).replace(".", "")},
                attachment=None,
                number_in=_number,
            ),
            form,
        )
        return None

    async def status(self) -> None:
        """Look a dossier up by its number: one filed before, else one that has long been there."""
        number = self._site.chance.choice(self._filed) if self._filed else "KH-2026-000005"
        await self._site.get(f"/ho-so/{number}/", "status")


def _number(answer: httpx.Response) -> str | None:
    found = _NUMBER.search(answer.headers.get("location", ""))
    return found.group(1) if found else None
