"""`dcshift throttle`: a limit is written whole or not at all, is shown by `status`, and a wrong one changes nothing."""

from __future__ import annotations

import json

import pytest

from tests.support.workspace import Terminal


@pytest.fixture
def terminal() -> Terminal:
    made = Terminal()
    assert made.type("survey")[0] == made.type("plan")[0] == 0
    return made


def test_a_limit_is_set_shown_and_taken_away(terminal: Terminal) -> None:
    status, out, _ = terminal.type("throttle")
    assert (status, out.splitlines()) == (0, ["portal       no limit", "feedback     no limit"])
    status, out, _ = terminal.type("throttle portal --to 5M")
    assert (status, out) == (0, "portal       at most 5.0 MB/s while the source serves\n")
    assert "copied at most 5.0 MB/s while the source serves (dcshift throttle)" in terminal.type("status")[1]
    said = json.loads(terminal.type("throttle --json")[1])
    assert said["bytes_per_second_max"] == {"portal": 5_000_000, "feedback": None}
    assert terminal.type("throttle portal --to off")[1] == "portal       no limit\n"
    assert "copied at most" not in terminal.type("status")[1]


@pytest.mark.parametrize(
    ("typed", "rate"),
    [("500k", 500_000), ("1.5MiB/s", 1_572_864), ("20000", 20_000), ("2G", 2_000_000_000), ("64KiB", 65_536)],
)
def test_a_limit_is_read_as_people_write_it(terminal: Terminal, typed: str, rate: int) -> None:
    said = json.loads(terminal.type(f"throttle feedback --to {typed} --json")[1])
    assert said["bytes_per_second_max"] == {"feedback": rate}


def test_what_spares_the_source_is_set_shown_and_taken_away(terminal: Terminal) -> None:
    typed = "throttle portal --source-load 4 --replica-lag 64Mi --stop-at-load 20.5 --stop-at-log 20Gi"
    sentence = (
        "waits above source load 4.0 or 64.0 MiB of replica lag; ends above source load 20.5 or 20.0 GiB of kept log"
    )
    assert terminal.type(typed)[:2] == (0, f"portal       {sentence}\n")
    assert f"copied {sentence} (dcshift throttle)" in " ".join(terminal.type("status")[1].split())
    status, out, _ = terminal.type("throttle --replica-lag off --stop-at-load off --to 5M --json")
    said = json.loads(out)
    assert status == 0
    assert said["bytes_per_second_max"] == {"portal": 5_000_000, "feedback": 5_000_000}
    none = {"wait_load": None, "wait_lag_bytes": None, "stop_load": None, "stop_log_bytes": None}
    assert said["source_limits"] == {
        "portal": {**none, "wait_load": 4.0, "stop_log_bytes": 20 * 1024**3},
        "feedback": none,
    }


def test_a_copy_is_not_ended_before_it_could_wait(terminal: Terminal) -> None:
    assert terminal.type("throttle feedback --source-load 4")[0] == 0
    for typed in ("throttle --stop-at-load 4", "throttle feedback --stop-at-load 2"):
        status, _, err = terminal.type(typed)
        assert status == 2
        assert "it would end the copy at the load at which --source-load 4.0 lets it wait" in err
    said = json.loads(terminal.type("throttle --json")[1])
    assert [one["stop_load"] for one in said["source_limits"].values()] == [None, None]


@pytest.mark.parametrize("typed", ["5m", "fast", "0", "100", "5M/h", "1e6"])
def test_what_is_no_limit_is_refused_and_the_one_before_holds(terminal: Terminal, typed: str) -> None:
    terminal.type("throttle portal --to 1M")
    status, _, err = terminal.type(f"throttle portal --to {typed}")
    assert status == 2
    assert "error[rate-unclear]" in err
    assert json.loads(terminal.type("throttle portal --json")[1])["bytes_per_second_max"] == {"portal": 1_000_000}
