"""Sets of addresses and ports against plain enumeration."""

from __future__ import annotations

import ipaddress
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.reachability.addresses import Range, meeting, ranges
from infra.reachability.ports import EVERY, Ports, both, merged, minus, said

BLOCKS = [f"10.0.0.{first}/{length}" for length in (29, 30, 31, 32) for first in range(0, 8, 2 ** (32 - length))]
chosen = st.lists(st.sampled_from(BLOCKS), max_size=3)


def enumerated(cidrs: list[str]) -> set[str]:
    return {str(address) for cidr in cidrs for address in ipaddress.ip_network(cidr)}


def agree(has: list[str], without: list[str], block: str, excepts: list[str]) -> None:
    left = (enumerated(has) - enumerated(without)) & enumerated([block]) - enumerated(excepts)
    found = meeting(ranges(has, without), Range.of(block), [Range.of(cidr) for cidr in excepts])
    assert found in left if left else found is None, (has, without, block, excepts)


def test_an_address_is_found_exactly_if_one_is_left_of_any_three_blocks() -> None:
    for has, block, taken in product(BLOCKS, repeat=3):
        agree([has], [], block, [taken])
        agree([has], [taken], block, [])


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(chosen, chosen, st.sampled_from(BLOCKS), chosen)
def test_an_address_is_found_exactly_if_one_is_left_of_many(
    has: list[str], without: list[str], block: str, excepts: list[str]
) -> None:
    agree(has, without, block, excepts)


def test_families_never_meet() -> None:
    assert meeting(ranges(["::/0"]), Range.of("0.0.0.0/0")) is None
    assert meeting(ranges(["2001:db8::/32"]), Range.of("::/0")) == "2001:db8::"


port_sets = st.lists(
    st.tuples(st.sampled_from(["TCP", "UDP"]), st.integers(1, 12), st.integers(0, 4)).map(
        lambda given: Ports(given[0], given[1], given[1] + given[2])
    ),
    max_size=4,
)


def all_of(ports: tuple[Ports, ...] | list[Ports]) -> set[tuple[str, int]]:
    return {asked for asked in product(("TCP", "UDP"), range(1, 20)) if any(asked in each for each in ports)}


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(port_sets, port_sets)
def test_port_sets_behave_as_sets(ones: list[Ports], others: list[Ports]) -> None:
    assert all_of(merged(ones)) == all_of(ones)
    assert all_of(both(ones, others)) == all_of(ones) & all_of(others)
    assert all_of(minus(ones, others)) == all_of(ones) - all_of(others)
    assert merged(ones) == merged(merged(ones))


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ((), "-"),
        (EVERY, "everything"),
        ((Ports("TCP", 53, 53), Ports("UDP", 53, 53)), "53, 53/udp"),
        ((Ports("TCP", 80, 90), Ports("UDP", 1, 65535)), "80-90, all UDP"),
    ],
)
def test_ports_are_said_as_people_read_them(ports: tuple[Ports, ...], words: str) -> None:
    assert said(ports) == words
