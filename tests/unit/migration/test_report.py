"""The evidence of a run in the fake world, as data and as a page."""

from __future__ import annotations

from html.parser import HTMLParser

from migration.model.ending import Outcome
from migration.report import evidence, page
from migration.store import Pinned
from tests.support.examples import catalogue, contracts, inventory
from tests.support.runs import Stand
from tests.support.world import Fault


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.tags: dict[str, int] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.outside += [value for name, value in attributes if name in ("src", "href") and value]


def _evidence(stand: Stand, traffic: dict[str, object] | None = None) -> dict[str, object]:
    journal = stand.journal()
    run = journal.open_run(stand.plan.id)
    pinned = Pinned(stand.plan, catalogue(), inventory(), contracts())
    return evidence.collect(
        pinned, run, journal.events(run), journal.verify_chain(), now=stand.clock.now(), traffic=traffic
    )


def test_a_finished_move_is_verified_with_its_figures() -> None:
    stand = Stand()
    assert stand.go().outcome is Outcome.DONE
    document = _evidence(stand)
    assert document["verified"] is True
    portal = document["systems"]["portal"]  # type: ignore[index]
    assert portal["state"] == "moved"
    assert portal["proofs_failed"] == 0
    assert portal["proofs_passed"] == 25
    assert 1.0 <= portal["hold_seconds"] <= 3.0
    assert portal["engine"]["name"] == "logical"
    assert "the CloudNativePG cluster portal-db" in portal["engine"]["why"]
    assert "was copied by the engine logical: the target is the CloudNativePG" in page.render(document)
    assert document["chain"]["intact"] is True  # type: ignore[index]


def test_a_failed_move_is_not_verified_and_says_what_happened() -> None:
    stand = Stand("portal")
    stand.world.faults[14] = Fault()
    assert stand.go().outcome is Outcome.FAILED
    document = _evidence(stand)
    assert document["verified"] is False
    [incident] = document["incidents"]  # type: ignore[misc]
    assert "a fault was planted" in incident["sentence"]


def test_the_page_is_whole_by_itself_and_escapes_what_it_shows() -> None:
    stand = Stand("portal")
    stand.world.faults[14] = Fault()
    stand.go()
    stand.go()
    document = _evidence(
        stand, {"systems": {"portal": {"requests": 12, "failed": 0, "held": 3, "slowest_seconds": 1.5}}}
    )
    document["incidents"][0]["sentence"] = "<script>alert(1)</script>"  # type: ignore[index]
    text = page.render(document)
    assert "<script>" not in text
    seen = _Page()
    seen.feed(text)
    assert seen.outside == []
    assert seen.tags["svg"] == 2
