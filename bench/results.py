"""What a bench found, as the committed JSON keeps it, and the table that the docs show of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

_HERE: Final = Path(__file__).resolve().parent
FILE: Final = _HERE / "results" / "infra.json"
PAGE: Final = _HERE.parent / "docs" / "benchmarks.md"
_END: Final = "<!-- end -->\n"
Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """Nothing is guessed and nothing is left over."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Size(Strict):
    """One province of so many systems."""

    systems: Count
    resources: Count
    build_seconds: Seconds
    first_up_seconds: Seconds
    empty_up_seconds: Seconds
    one_change_seconds: Seconds
    peak_memory_bytes: Count
    """The most that Python, Pulumi's command line and the plugin held together at any moment; not the API server."""


class Machine(Strict):
    """Where it was measured, and how busy that was with other things."""

    cores: Count
    memory_bytes: Count
    load_before: float


class Infra(Strict):
    """One run of `make bench-infra`."""

    measured: str
    versions: dict[str, str]
    machine: Machine
    sizes: list[Size]


def read(file: Path = FILE) -> Infra:
    """Return the committed results. Raises `pydantic.ValidationError` where they are not what they should be."""
    return Infra.model_validate_json(file.read_text(encoding="utf-8"))


def write(found: Infra, file: Path = FILE) -> None:
    """Keep the results in place of those before."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(found.model_dump(), indent=1) + "\n", encoding="utf-8")


def table(found: Infra) -> str:
    """Return the results as the docs show them."""
    lines = [
        "| systems | resources | build | first `up` | empty `up` | one change | peak memory |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {size.systems} | {size.resources:,} | {size.build_seconds:.1f} s | {size.first_up_seconds:.1f} s "
            f"| {size.empty_up_seconds:.1f} s | {size.one_change_seconds:.1f} s "
            f"| {size.peak_memory_bytes / 2**20:.0f} MiB |"
            for size in found.sizes
        ),
        "",
        f"Measured {found.measured} on {found.machine.cores} cores and {found.machine.memory_bytes / 2**30:.0f} GiB, "
        f"with a load of {found.machine.load_before:.1f} from other work: "
        + ", ".join(f"{name} {version}" for name, version in sorted(found.versions.items()))
        + ".",
    ]
    return "\n".join(lines) + "\n"


def page(found: Infra, text: str) -> str:
    """Return the page `text` with the table of these results. Raises `ValueError` where it has no place for it."""
    return placed(text, FILE, table(found))


def placed(text: str, file: Path, shown: str) -> str:
    """Return a page with what is shown of one file of results. Raises `ValueError` where it has no place for it."""
    begin = f"<!-- from bench/results/{file.name}: make docs -->\n"
    before, found, rest = text.partition(begin)
    _, end, after = rest.partition(_END)
    if not found or not end:
        raise ValueError(f"the page has no place for the table: {begin.strip()} … {_END.strip()}")
    return f"{before}{begin}{shown}{end}{after}"


def main() -> None:
    """Write the tables and the plot of all committed results into the docs."""
    from bench.data import results as data
    from bench.data import shown

    text, found = page(read(), PAGE.read_text(encoding="utf-8")), data.read()
    PAGE.write_text(shown.page(found, text), encoding="utf-8")
    shown.draw(found)


if __name__ == "__main__":
    main()
