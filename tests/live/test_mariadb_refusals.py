"""What an exchange of two MariaDB servers refuses, and how it stands afterwards: whoever served serves."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.mariadb_server import programs
from migration.errors import MigrationError, NeedsOperator, StepFailed
from migration.movers.mariadb import __main__ as mover
from migration.movers.mariadb import claim, events, fence, link, moment, schema, sides, stream, switch
from migration.movers.mariadb.claim import Turn
from tests.support import mariadb as support
from tests.support.mariadb import APPLICATION, Pair, run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(programs() is None, reason="no MariaDB server here: make setup"),
]


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="dcshift-test-", ignore_cleanup_errors=True) as folder:
        both = support.start(Path(folder))
        yield both
        for server in (both.source, both.target):
            server.stop()


@pytest.fixture(scope="module")
def copied(servers: Pair) -> Pair:
    with claim.held(servers.job()) as turn:
        for verb in ("prove", "cut", "retire"):
            with pytest.raises(StepFailed) as refused:
                mover._DO[verb](turn)
            assert refused.value.code == {
                "prove": "no-copy-to-prove", "cut": "mariadb-not-following", "retire": "mariadb-not-handed-over",
            }[verb]  # fmt: skip
        mover.move(turn)
    return servers


@pytest.fixture
def pair(copied: Pair) -> Iterator[Pair]:
    """Both sides while the target follows, as each test leaves them."""
    yield copied
    assert serving(copied) == "source"
    assert run(copied.job(), copied.folder).status == 0


def serving(pair: Pair) -> str:
    """Return who takes writes of users, and runs their events."""
    found = ""
    for word, server in (("source", pair.source), ("target", pair.target)):
        closed = server.run("SELECT @@GLOBAL.read_only")[0][0]
        armed = server.run("SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS = 'ENABLED'")[0][0]
        assert bool(closed) != bool(armed), (word, closed, armed)
        found += "" if closed else word
    return found


@contextmanager
def locked(server: Any) -> Iterator[None]:
    with server.session("portal") as session, session.cursor() as cursor:
        cursor.execute("LOCK TABLES digits WRITE")
        yield


def refusal(pair: Pair, verb: str) -> MigrationError:
    with pytest.raises(MigrationError) as refused, claim.held(pair.job()) as turn:
        mover._DO[verb](turn)
    return refused.value


def before(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, do: Callable[..., object]) -> None:
    """Let something happen just before a step of the exchange, once."""
    true, done = getattr(where, name), list[bool]()

    def both(*given: Any, **named: Any) -> Any:
        if not done:
            done.append(True)
            do(*given)
        return true(*given, **named)

    monkeypatch.setattr(where, name, both)


def test_a_follower_that_is_far_behind_does_not_take_over_and_whoever_waits_is_let_in(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = run(pair.job(), tmp_path, "cut", kill_at="proof")
    assert killed.status == -9, killed.text
    assert pair.source.run("SELECT @@GLOBAL.read_only") == [(1,)]
    monkeypatch.setattr(switch, "_NEAR_SECONDS_MAX", 0.5)
    with locked(pair.target):
        pair.source.run("INSERT INTO portal.digits VALUES (20)")
        assert refusal(pair, "cut").code == "mariadb-too-far-behind"
        assert serving(pair) == "source", "a killed cut left it closed, and the refusal says that it serves"


def test_what_is_written_in_the_hold_is_seen_and_ends_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root, whom `read_only` does not stop."""
    before(monkeypatch, switch, "_wait_until", lambda *_: pair.source.run("INSERT INTO portal.digits VALUES (21)"))
    refused = refusal(pair, "cut")
    assert refused.code == "mariadb-written-in-the-hold"
    assert "an account that this does not stop" in refused.why


def test_a_user_whose_session_does_not_end_keeps_the_cut_from_beginning(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "_GONE_SECONDS_MAX", 0.2)
    monkeypatch.setattr(claim, "kill", lambda *_: None)
    with pair.source.session("portal", APPLICATION):
        refused = refusal(pair, "cut")
    assert refused.code == "mariadb-fence-failed"
    assert "did not end" in refused.why


def test_events_that_stay_armed_end_the_cut(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_SECONDS_MAX", 0.2)
    true = link.run

    def deaf(connection: Any, *statements: str) -> None:
        true(connection, *(each for each in statements if not each.endswith("DISABLE ON SLAVE")))

    monkeypatch.setattr(events.link, "run", deaf)
    refused = refusal(pair, "cut")
    monkeypatch.undo()
    assert refused.code == "mariadb-events-not-changed"
    assert "still calls portal.tick ENABLED" in refused.why


def test_two_snapshots_that_are_not_of_one_moment_are_not_compared(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = str(pair.source.run("SELECT @@GLOBAL.gtid_binlog_pos")[0][0])
    pair.source.run("INSERT INTO portal.digits VALUES (22)")
    assert run(pair.job(), pair.folder).status == 0
    monkeypatch.setattr(moment, "_position", lambda _: earlier)
    refused = refusal(pair, "prove")
    monkeypatch.undo()
    assert refused.code == "mariadb-moment-missed"
    assert earlier in refused.why


def test_a_comparison_goes_on_where_a_killed_one_left_the_follower_standing(pair: Pair, tmp_path: Path) -> None:
    pair.target.run("STOP SLAVE 'dcshift_portal'")
    proved = run(pair.job(), tmp_path, "prove")
    assert proved.status == 0, proved.text


def test_a_follower_that_cannot_apply_says_the_servers_own_reason(pair: Pair, tmp_path: Path) -> None:
    pair.target.run("INSERT INTO portal.digits VALUES (23)", unlogged=True)
    pair.source.run("INSERT INTO portal.digits VALUES (23)")
    broken = run(pair.job(), tmp_path)
    pair.target.run("DELETE FROM portal.digits WHERE i = 23", unlogged=True)
    assert broken.last["error"]["code"] == "mariadb-stream-broken", broken.text
    assert "Duplicate entry" in broken.last["error"]["why"]


def test_a_decision_that_nobody_heard_is_left_to_the_next_run(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target breaks off while the mark is written."""

    def break_off(turn: Turn, *_: object) -> None:
        pair.target.run(f"KILL CONNECTION {link.one(turn.target, 'SELECT CONNECTION_ID()')}")

    before(monkeypatch, switch, "_decide", break_off)
    refused = refusal(pair, "cut")
    assert (refused.code, type(refused)) == ("mariadb-decision-unknown", NeedsOperator)
    for server in (pair.source, pair.target):
        assert server.run("SELECT @@GLOBAL.read_only") == [(1,)]
    assert run(pair.job(), pair.folder).status == 0
    assert serving(pair) == "source"


def test_a_side_that_stays_closed_is_said_with_what_closed_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise link.DatabaseError(1, "no more")

    def fail(*_: object) -> None:
        raise OSError("planted")

    before(monkeypatch, switch.counters, "carry", fail)
    monkeypatch.setattr(sides, "open_up", refuse)
    refused = refusal(pair, "cut")
    monkeypatch.undo()
    assert (refused.code, type(refused)) == ("mariadb-left-closed", NeedsOperator)
    assert "no more" in refused.why
    assert "planted" in refused.why
    assert pair.source.run("SELECT @@GLOBAL.read_only") == [(1,)]
    assert run(pair.job(), pair.folder).status == 0
    assert serving(pair) == "source"


def test_a_cut_whose_turn_a_later_mover_took_says_that_and_touches_nothing_more(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_over(*_: object) -> None:
        later = run(pair.job(), tmp_path)
        assert later.status == 0, later.text

    job = pair.job()
    before(monkeypatch, switch, "while_frozen", take_over)
    with pytest.raises(MigrationError) as refused, claim.held(job) as turn:
        mover._DO["cut"](turn)
    assert (refused.value.code, type(refused.value)) == ("turn-over", StepFailed)
    assert f"turn {pair.turn} has begun" in refused.value.why


def test_a_definition_that_the_account_may_not_read_is_not_taken_for_equal(pair: Pair) -> None:
    pair.source.run("CREATE DEFINER=root@localhost PROCEDURE portal.secret() SELECT 1")
    try:
        with pytest.raises(StepFailed) as refused, pair.source.session("portal", APPLICATION) as session:
            schema.of(session, ("portal",))
    finally:
        pair.source.run("DROP PROCEDURE portal.secret")
    assert refused.value.code == "definition-unread"


def test_only_the_first_word_to_end_counts() -> None:
    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as ended, mover._ending_once():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
            let_in = True
    assert (ended.value.code, let_in) == (143, True)
    with pytest.raises(KeyboardInterrupt), mover._ending_once():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former


def test_a_session_that_the_server_has_not_missed_yet_is_no_other_mover(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    with claim.held(pair.job()) as turn:
        lost = turn.source
        monkeypatch.setattr(claim, "_answers", lambda side: side is not lost)
        turn.renew()
        assert turn.source is not lost
        turn.check()
        lost.close()


def test_what_was_killed_in_the_middle_of_its_ending_is_ended_by_the_next(
    copied: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way back killed under its fence, then a retirement killed before its last word. Nothing follows after it."""
    cut = run(copied.job(), tmp_path, "cut")
    assert cut.status == 0, cut.text
    killed = run(copied.job(), tmp_path, "back", kill_at="proof")
    assert killed.status == -9, killed.text
    assert copied.target.run("SELECT @@GLOBAL.read_only") == [(1,)]
    refused = run(copied.job(), tmp_path)
    assert refused.last["error"]["code"] == "target-handed-over"
    assert refused.last["error"]["state"].endswith("the target serves")
    assert serving(copied) == "target"

    def die(_: Turn) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt), claim.held(copied.job()) as turn:
        dying.setattr(Turn, "leave", die)
        mover._DO["retire"](turn)
    retired = run(copied.job(), tmp_path, "retire")
    assert retired.status == 0, retired.text
    assert copied.target.run("SHOW DATABASES LIKE 'dcshift'") == []
    assert serving(copied) == "target"
    assert stream.channel(copied.source.session(), copied.job()) is None
