"""What the lab must know about its two systems, on either side; it reads and runs nothing."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

SCALES: Final = ("full", "tenth")


@dataclass(frozen=True, slots=True)
class Job:
    """A line of the system's crontab on app1: `command` follows `<system>-manage`."""

    name: str
    schedule: str
    command: str


@dataclass(frozen=True, slots=True)
class Worker:
    """A service on app1 that works all the time: `<system>-<name>.service` runs `command`; `alive` tells that it does."""

    name: str
    command: str
    alive: str


@dataclass(frozen=True, slots=True)
class Count:
    """A figure that the data must have on either side, however many citizens came since."""

    name: str
    query: str
    expected: dict[str, int]


@dataclass(frozen=True, slots=True)
class AppSystem:
    """One system: `release` is what the old data centre runs, `release_later` the one deployed after the watch; `pages`
    say the same text on both sides."""

    name: str
    port: int
    uid: int
    release: str
    release_later: str
    jobs: tuple[Job, ...]
    workers: tuple[Worker, ...]
    pages: tuple[str, ...]
    counts: tuple[Count, ...]

    @property
    def source(self) -> Path:
        """Return the folder of its source code."""
        return Path(__file__).parent / self.name

    @property
    def uploads(self) -> str:
        """Return where files1 and app1 hold its uploads."""
        return f"/srv/{self.name}/uploads"

    def requirements(self, release: str) -> Path:
        """Return the pinned requirements of one of its releases."""
        return self.source / f"requirements-{release}.txt"


def _every_scale(number: int) -> dict[str, int]:
    return dict.fromkeys(SCALES, number)


def _procedures(name: str, condition: str, number: int) -> Count:
    return Count(name, f"SELECT count(*) FROM procedures_procedurepage WHERE {condition}", _every_scale(number))


def _ticket_page(number: int, queue: str) -> str:
    """Return the address of an invented ticket; its key is the one `fill` derives from its number."""
    key = uuid.UUID(hashlib.md5(f"ticket {number}".encode(), usedforsecurity=False).hexdigest())
    known = {"ticket": f"{queue}-{number}", "email": f"nguoidan{number}@khanhhoa.example", "key": str(key)}
    return f"/view/?{urlencode(known)}"


PORTAL: Final = AppSystem(
    name="portal",
    port=8000,
    uid=2001,
    release="5.2.8",
    release_later="8.0.1",
    jobs=(
        Job("reconcile-payments", "* * * * *", "reconcile_payments"),
        Job("refresh-statistics", "*/10 * * * *", "refresh_statistics"),
    ),
    workers=(Worker("notices", "send_notices", "notices-alive"),),
    pages=(
        "/",
        "/thu-tuc/",
        "/thu-tuc/?muc=3",
        "/thu-tuc/?muc=4&trang=3",
        "/thu-tuc/?truc-tuyen=1",
        "/thu-tuc/?q=gi%E1%BA%A5y+ph%C3%A9p&trang=2",
        "/thu-tuc/1-002118-h32/",
        "/tra-cuu/",
        "/ho-so/KH-2026-000005/",
        "/ho-so/KH-2026-012345/",
        "/bien-lai/KH-2026-000005/",
    ),
    counts=(
        _procedures("procedures at level 3", "level = 3", 331),
        _procedures("procedures at level 4", "level = 4", 300),
        _procedures("procedures with postal return", "postal_return", 986),
        _procedures("procedures with online payment", "online_payment", 351),
        Count("procedures", "SELECT count(*) FROM procedures_procedurepage", _every_scale(1_934)),
        Count(
            "invented dossiers",
            "SELECT count(*) FROM dossiers_dossier WHERE client_ref = md5('dossier ' || id)::uuid",
            {"full": 300_000, "tenth": 30_000},
        ),
        Count(
            "invented files",
            "SELECT count(*) FROM dossiers_attachment WHERE file LIKE 'luu-tru/%'",
            {"full": 20_000, "tenth": 2_000},
        ),
        Count("receipts as large objects", "SELECT count(*) FROM pg_largeobject_metadata", _every_scale(200)),
    ),
)

FEEDBACK: Final = AppSystem(
    name="feedback",
    port=8001,
    uid=2002,
    release="1.0.0",
    release_later="2.6.1",
    jobs=(
        Job("escalate-tickets", "*/5 * * * *", "escalate_tickets"),
        Job("get-email", "*/10 * * * *", "get_email"),
    ),
    workers=(),
    pages=("/", "/tickets/submit/", _ticket_page(102, "hatang"), _ticket_page(104, "thutuc")),
    counts=(
        Count(
            "invented tickets",
            "SELECT count(*) FROM helpdesk_ticket WHERE secret_key = md5('ticket ' || id)::uuid::text",
            {"full": 25_000, "tenth": 2_500},
        ),
        Count("queues", "SELECT count(*) FROM helpdesk_queue", _every_scale(6)),
    ),
)

SYSTEMS: Final = (PORTAL, FEEDBACK)
