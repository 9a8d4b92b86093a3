"""What sees packets between pods, tried on the loopback: a port that answers is told from one that is silent."""

from __future__ import annotations

import os
import socket

import pytest

from infra.reachability import __main__ as reachability
from lab.loopback import free_ports
from tests.support import wire

pytestmark = [pytest.mark.live, pytest.mark.skipif(os.geteuid() != 0, reason="lacks root: nsenter")]


@pytest.mark.parametrize(("protocol", "kind"), [("TCP", socket.SOCK_STREAM), ("UDP", socket.SOCK_DGRAM)])
def test_what_is_answered_is_told_from_what_is_not(protocol: str, kind: socket.SocketKind) -> None:
    one = wire.Station("one", "127.0.0.1", os.getpid())
    heard, deaf = free_ports(2)
    with socket.socket(socket.AF_INET, kind) as taken, wire.listening([one], [heard], protocol):
        # Bound and never read: as if the packet were dropped on its way. TCP would accept it in the kernel.
        taken.bind(("127.0.0.1", deaf))
        paths = [("one", "one", heard), ("one", "one", deaf)]
        assert wire.sent({"one": one}, {"one": one.address}, paths, protocol) == {paths[0]: True, paths[1]: False}


def test_datagrams_are_asked_where_connections_pass_and_each_listener_by_itself() -> None:
    declared = reachability.centre()
    over_tcp = wire.proved(declared, {}, more_ports=(4444,))
    found = wire.proved_of_datagrams(declared, over_tcp, port=4444)
    assert all(found[target, target, port] for _, target, port in found)
    assert [path for path, is_open in found.items() if not is_open and over_tcp.get(path)]
    assert not [path for path in found if path[2] == 53]
