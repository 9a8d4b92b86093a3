"""Which side answered a request: a mark in its address, looked for in the access logs of the source's web server."""

from __future__ import annotations

import secrets
from typing import Final

import httpx

from migration.adapters.site_client import SiteClient
from migration.errors import StepFailed
from migration.model.context import SystemContext
from migration.model.words import Finding, Severity, Side
from migration.ports import Clock, Remote

_USUAL: Final = ("/var/log/nginx/access.log",)
"""Where Debian's nginx writes; for inventories of a survey that did not ask yet."""
_LINES: Final = 5_000
_SECOND_LOOK_SECONDS: Final = 0.5
"""The web server notes a request after its answer; what is not there then was not noted."""
# Says a number only when every log could be read: a log that cannot be read is an error and no "not seen". Of logs
# that hold something, something must have been read.
_COUNT: Final = (
    "mark=$1; lines=$2; shift 2; full=; "
    'for log in "$@"; do [ ! -s "$log" ] || full=$log; done; '
    'seen=$(tail -q -n "$lines" -- "$@" 2>&1) || { echo "$seen" | tail -n 1; exit 0; }; '
    '[ -n "$seen" ] || [ -z "$full" ] || { echo "tail says nothing of $full"; exit 0; }; '
    'printf \'%s\\n\' "$seen" | grep -c -- "$mark" || true'
)


class AccessLog:
    """The access logs of one site at the source."""

    def __init__(self, context: SystemContext, remote: Remote, clock: Clock) -> None:
        traffic = context.system.source.traffic
        self._remote, self._clock, self._health = remote, clock, context.contract.web.health
        self._host, self._site = traffic.host, traffic.site
        self._files = tuple(context.facts.traffic.access_logs) or _USUAL

    def trace(self, client: SiteClient, serving: Side) -> list[str]:
        """Send a marked request; return what speaks against `serving` having answered it, and it alone.

        Raises `StepFailed` when a log cannot be read and `httpx.HTTPError` when nobody answers.
        """
        mark = secrets.token_hex(8)
        status = client.get(f"{self._health}?trace={mark}")[0]
        at_source = self._seen(mark)
        if not at_source:
            self._clock.sleep(_SECOND_LOOK_SECONDS)
            at_source = self._seen(mark)
        found = [] if status == 200 else [f"the public address answers {status} for {self._health}"]
        if at_source is not (serving is Side.SOURCE):
            found.append(f"a marked request was {'' if at_source else 'not '}seen by the source's web server")
        return found

    def blind(self, client: SiteClient) -> Finding | None:
        """Return a blocker unless a request that the source answers is found in its logs, so that absence is evidence.

        A log that is off, buffered, compressed or sent elsewhere would otherwise prove every request away.
        """
        try:
            found = self.trace(client, Side.SOURCE)
        except (StepFailed, httpx.HTTPError) as unread:
            found = [f"it could not be tried: {getattr(unread, 'why', unread)}"]
        if not found:
            return None
        what = f"a request for {self._health} cannot be followed in {', '.join(self._files)}: {found[0]}"
        advice = f"let the site note {self._health} in a plain, unbuffered access_log file, then: dcshift survey"
        return Finding(Severity.BLOCKER, "access-log-blind", f"{self._host}/{self._site}", what, advice)

    def _seen(self, mark: str) -> bool:
        words = ["sudo", "-n", "sh", "-c", _COUNT, "sh", mark, str(_LINES), *self._files]
        count = self._remote.run(self._host, words).strip()
        if not count.isdigit():
            raise StepFailed(
                "access-log-unread",
                what=f"the access logs of {self._site} cannot be read on {self._host}",
                why=f"{', '.join(self._files)}: {count or 'no answer'}",
                state="nothing was changed",
                next="dcshift survey",
            )
        return int(count) > 0
