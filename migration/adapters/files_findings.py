"""Says what of a surveyed set of files cannot become an object: a bucket has no links and no sockets; it only reads."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence

from migration.model.inventory import FilesFacts, LinkFacts
from migration.model.words import Finding, Severity
from migration.movers.bucket_store import PART_BYTES
from migration.movers.object_size import too_large

_NAMED_MAX = 5
_LEADS = {"folder": "a folder in the set", "file": "a file in the set", "nothing": "nothing", "outside": "outside"}


def from_survey(name: str, facts: FilesFacts, left_behind: Sequence[str]) -> Iterator[Finding]:
    """Yield blockers for links and special files about which nobody decided, and what was decided.

    No link is carried as what it leads to: twice the bytes, or a folder of somebody else, would be our decision.
    """
    where = f"{facts.host}:{facts.path}"

    def decided(path: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in left_behind)

    waive = f"name them in source.files.{name}.left_behind, then: dcshift survey && dcshift plan"
    links = [link for link in facts.links if not decided(link.path)]
    unseen = facts.links_count - len(facts.links)
    if links or unseen > 0:
        what = f"{len(links) + max(unseen, 0):,} symbolic links are not carried: {_linked(links)}"
        put = "put what they lead to in their place at the source, or "
        yield Finding(Severity.BLOCKER, "symbolic-links", where, what, put + waive)
    specials = [path for path in facts.special_files if not decided(path)]
    unseen = facts.special_files_count - len(facts.special_files)
    if specials or unseen > 0:
        count = len(specials) + max(unseen, 0)
        what = f"{count:,} sockets, FIFOs or devices are not carried: {', '.join(specials[:_NAMED_MAX])}"
        yield Finding(Severity.BLOCKER, "special-files", where, what, "remove them at the source, or " + waive)
    if waived := [path for path in (*(link.path for link in facts.links), *facts.special_files) if decided(path)]:
        what = f"{len(waived):,} links or special files are left behind by decision: {', '.join(waived[:_NAMED_MAX])}"
        yield Finding(Severity.INFO, "left-behind", where, what, "nothing")
    if why := too_large(facts.largest_bytes, PART_BYTES):
        what = f"{facts.largest} with {facts.largest_bytes:,} bytes is larger than an object can be: {why}"
        advice = "take it out of the set or make it smaller at the source; then: dcshift survey && dcshift plan"
        yield Finding(Severity.BLOCKER, "file-too-large", where, what, advice)
    if facts.hard_linked_files:
        what = f"{facts.hard_linked_files:,} files have more than one name; each name becomes an object of its own"
        yield Finding(Severity.WARNING, "hard-links", where, what, "nothing, if the system never writes one by another")


def _linked(links: Sequence[LinkFacts]) -> str:
    return ", ".join(f"{link.path} -> {link.leads_to} ({_LEADS[link.to]})" for link in links[:_NAMED_MAX])
