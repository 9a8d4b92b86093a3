"""`dcshift lab`: both data centres on this machine, and citizens using them; a thin door to the package `lab`."""

from __future__ import annotations

import math
import os
import ssl
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from migration.cli.output import OUT


class Scale(StrEnum):
    """How much data the lab's source holds; a wrong word must be refused before what runs is taken down."""

    FULL = "full"
    TENTH = "tenth"


class WalLevel(StrEnum):
    """What PostgreSQL calls its levels."""

    MINIMAL = "minimal"
    REPLICA = "replica"
    LOGICAL = "logical"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise typer.BadParameter("it must be a number with an end")
    return value


app = typer.Typer(help="Both data centres on this machine, and citizens.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def up(
    scale: Annotated[Scale, typer.Option(help="How much data the source holds: full or tenth.")] = Scale.FULL,
    wal_level: Annotated[
        WalLevel, typer.Option(help="The source's wal_level; anything but logical shows a finding.")
    ] = WalLevel.LOGICAL,
) -> int:
    """Bring both data centres up from a clean state."""
    from lab import centres

    centres.up(OUT.note, scale=scale, wal_level=wal_level)
    return _show()


@app.command()
def down() -> int:
    """Take both down; nothing of them stays on this machine."""
    from lab import centres

    centres.down(OUT.note)
    OUT.result({"down": True}, lambda: print("nothing of the lab is left"))
    return 0


@app.command()
def status() -> int:
    """Say what of the lab runs."""
    return _show()


@app.command()
def traffic(
    rate: Annotated[
        float, typer.Option(help="Requests per second, all systems together.", min=0.1, max=1000, callback=_finite)
    ] = 20.0,
    duration: Annotated[float, typer.Option(help="Seconds; 0: until stopped.", min=0, callback=_finite)] = 0.0,
    folder: Annotated[Path, typer.Option(help="Where the ledger and the statistics go.")] = Path("build/traffic"),
) -> int:
    """Let citizens use both systems; every acknowledged write goes to a ledger."""
    from lab.addresses import SITES, SOURCE_HOSTS
    from lab.paths import CHECKOUT, STATE

    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "lab.traffic", "--systems", ",".join(SITES), "--rate", str(rate)]
    words += ["--duration", str(duration), "--ledger", str((folder / "ledger.jsonl").resolve())]
    words += ["--stats-file", str((folder / "traffic.json").resolve()), "--ca", str(STATE / "ca" / "ca.pem")]
    words += ["--resolve", SOURCE_HOSTS["edge1"]]
    os.chdir(CHECKOUT)
    os.execv(sys.executable, words)  # noqa: S606  the same interpreter, no shell


@app.command("open")
def open_site(
    system: Annotated[str, typer.Argument(help="A system of the lab, such as portal.")],
) -> int:
    """Read a system's public page as a citizen does, and say how a browser gets there."""
    import httpx

    from lab.addresses import SITES, SOURCE_HOSTS
    from lab.errors import LabError
    from lab.paths import STATE

    if system not in SITES:
        raise LabError(
            "system-unknown",
            what=f"the lab has no system {system!r}",
            why=f"it has {', '.join(SITES)}",
            state="nothing was read",
            next=f"dcshift lab open {next(iter(SITES))}",
        )
    host, address, authority = SITES[system], SOURCE_HOSTS["edge1"], STATE / "ca" / "ca.pem"
    try:
        with httpx.Client(verify=_trust(authority), timeout=30, trust_env=False) as client:
            answer = client.get(
                f"https://{address}/", headers={"Host": host}, extensions={"sni_hostname": host}, follow_redirects=False
            )
    except (httpx.HTTPError, OSError) as broken:
        raise LabError(
            "site-does-not-answer",
            what=f"https://{host}/ does not answer",
            why=str(broken),
            state="nothing was changed",
            next="dcshift lab status",
        ) from broken
    title = answer.text.partition("<title>")[2].partition("</title>")[0].strip()
    document = {"url": f"https://{host}/", "status": answer.status_code, "title": title, "address": address}

    def people() -> None:
        print(f"https://{host}/ answers {answer.status_code}: {title}")
        print(f"in a terminal: curl --cacert {authority} --resolve {host}:443:{address} https://{host}/")
        print(f"in a browser:  add '{address} {host}' to /etc/hosts and trust {authority}")

    OUT.result(document, people)
    return 0


def _trust(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


def _show() -> int:
    from lab import target
    from lab.source import centre

    hosts, node = centre.status(), target.status()
    document = {
        "source": [{name: getattr(host, name) for name in host.__slots__} for host in hosts],
        "target": node.parts,
        "ready": node.ready,
    }

    def people() -> None:
        for host in hosts:
            print("  source  ", "  ".join(f"{name} {getattr(host, name)}" for name in host.__slots__))
        for part, well in node.parts.items():
            print(f"  target   {part:<24} {'well' if well else 'not running'}")

    OUT.result(document, people)
    return 0
