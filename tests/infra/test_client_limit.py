"""Who one client is to the real gateway: traefik itself on the loopback, with the middleware that stacks declare."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from catalogue.system import RateLimit
from infra import rate_limit
from lab.errors import LabError
from lab.loopback import free_ports
from lab.toolchain import tool_path

GATE = "127.0.0.2"
"""Trusted, as the gate of the source is: it says who the citizen is."""
BURST = 2
# A minute in place of the second: a machine that is busy must not earn anybody a request.
DECLARED = {"rateLimit": {**rate_limit.spec(RateLimit(average=1, burst=BURST))["rateLimit"], "period": "1m"}}
OK, REFUSED = 200, 429
Headers = list[tuple[str, str]]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A gateway with a limited route at each path but /by-forwarded-for, which is limited as we do not do it."""
    try:
        program = tool_path("traefik")
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    folder, free = tmp_path_factory.mktemp("traefik"), free_ports(1)[0]
    by_forwarded_for = {"sourceCriterion": {"ipStrategy": {"depth": 1}}}
    other = {"rateLimit": {**DECLARED["rateLimit"], **by_forwarded_for}}
    routers = {
        "/": {"rule": "PathPrefix(`/`)", "middlewares": ["declared"], "service": "ping@internal"},
        "/by": {"rule": "PathPrefix(`/by-forwarded-for`)", "middlewares": ["other"], "service": "ping@internal"},
        # A route of another system: a chain, and so a bucket, of its own.
        "/second": {"rule": "PathPrefix(`/second`)", "middlewares": ["second"], "service": "ping@internal"},
    }
    middlewares: dict[str, Any] = {"declared": DECLARED, "second": DECLARED, "other": other}
    (folder / "dynamic.json").write_text(json.dumps({"http": {"routers": routers, "middlewares": middlewares}}))
    argv = [
        str(program),
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--ping=true",
        "--ping.manualrouting=true",
        f"--entrypoints.web.address=127.0.0.1:{free}",
        f"--entrypoints.web.forwardedheaders.trustedips={GATE}/32",
        f"--providers.file.filename={folder / 'dynamic.json'}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as traefik:
        try:
            _until_it_answers(free)
            yield free
        finally:
            traefik.terminate()


def _until_it_answers(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if ask(port, "127.0.0.99", times=1) == [OK]:  # an address that no test uses
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError("traefik does not answer")


def answers(
    port: int, address: str, headers: Headers | None = None, *, times: int, path: str = "/"
) -> list[httpx.Response]:
    """Ask from an address, one request after the other on one connection."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), trust_env=False, timeout=60) as client:
        return [client.get(f"http://127.0.0.1:{port}{path}", headers=headers) for _ in range(times)]


def ask(port: int, address: str, headers: Headers | None = None, *, times: int, path: str = "/") -> list[int]:
    return [each.status_code for each in answers(port, address, headers, times=times, path=path)]


def test_one_client_is_refused_beyond_its_burst_and_told_when_to_come_again_and_no_other_is(port: int) -> None:
    began = time.monotonic()
    *served, refused = answers(port, "127.0.0.11", times=BURST + 1)
    took = time.monotonic() - began
    assert [each.status_code for each in served] == [OK] * BURST
    assert refused.status_code == REFUSED
    assert 60 - took <= int(refused.headers["retry-after"]) <= 60
    assert ask(port, "127.0.0.12", times=BURST) == [OK] * BURST


def test_the_limit_of_one_system_is_not_the_others(port: int) -> None:
    assert ask(port, "127.0.0.13", times=BURST + 1)[-1] == REFUSED
    assert ask(port, "127.0.0.13", times=BURST, path="/second") == [OK] * BURST


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("127.0.0.21", [("X-Real-Ip", "203.0.113.{}")]),
        ("127.0.0.22", [("x-real-ip", "203.0.113.{}"), ("X-Real-IP", "203.0.114.{}")]),
        ("127.0.0.23", [("X-Forwarded-For", "203.0.113.{}"), ("Forwarded", "for=203.0.113.{}")]),
        ("127.0.0.24", [("X-Real-Ip", "203.0.113.{}"), ("Connection", "X-Real-Ip, X-Forwarded-For")]),
        ("127.0.0.25", [("X_Real_Ip", "203.0.113.{}")]),
    ],
    ids=["as the gate does", "twice", "another header", "told to drop it", "underscores"],
)
def test_a_client_that_names_itself_anew_each_time_stays_one_client(port: int, address: str, headers: Headers) -> None:
    told = [
        ask(port, address, [(name, value.format(number)) for name, value in headers], times=1)[0] for number in range(4)
    ]
    assert told == [OK, OK, REFUSED, REFUSED]


def test_behind_the_gate_each_citizen_is_one_client_whatever_he_claims(port: int) -> None:
    def citizen(address: str) -> Headers:
        # HAProxy adds its own word behind a citizen's; what he called himself comes along.
        return [("X-Real-Ip", address), ("X-Forwarded-For", "198.18.0.1"), ("X-Forwarded-For", address)]

    assert ask(port, GATE, citizen("203.0.113.31"), times=BURST + 1) == [OK, OK, REFUSED]
    assert ask(port, GATE, citizen("203.0.113.32"), times=BURST) == [OK] * BURST


def test_a_gate_that_names_no_citizen_would_make_one_client_of_all(port: int) -> None:
    """Why the gate sends X-Real-Ip: without it traefik takes the gate's own address."""
    assert ask(port, GATE, [("X-Forwarded-For", "203.0.113.41")], times=BURST) == [OK] * BURST
    assert ask(port, GATE, [("X-Forwarded-For", "203.0.113.42")], times=1) == [REFUSED]


def test_by_the_forwarded_header_all_who_come_without_a_gate_would_be_one_client(port: int) -> None:
    """Why the limit does not go by X-Forwarded-For."""
    assert ask(port, "127.0.0.51", times=BURST, path="/by-forwarded-for") == [OK] * BURST
    assert ask(port, "127.0.0.52", times=1, path="/by-forwarded-for") == [REFUSED]
