"""The security log carried by the real program over the loopback: nothing is lost, nobody unnamed is let in or told."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import rsyslog as texts
from tests.support.log_pipeline import CLIENT, Pipeline, event, wait

PORTAL = "pods/httt-portal-app_portal-web-1_uid/web/0.log"


@pytest.fixture(params=["relp", "syslog"])
def pipeline(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(tmp_path, request.param)
    yield made
    made.stop_all()


@pytest.mark.parametrize("name", ["agent", "relay", "connector", "soc", "nation"])
def test_the_program_itself_accepts_every_configuration(name: str, pipeline: Pipeline) -> None:
    ended = pipeline.check(name)
    assert ended.returncode == 0, ended.stderr
    assert "error" not in ended.stderr


def test_a_fault_in_a_configuration_is_seen(pipeline: Pipeline) -> None:
    pipeline.write("relay", pipeline.relay_text().replace("queue.checkpointInterval", "queue.checkpointIntervall"))
    assert pipeline.check("relay").returncode != 0


def test_lines_of_the_audit_log_and_of_the_systems_arrive(pipeline: Pipeline) -> None:
    pipeline.start("soc", "nation", "connector", "relay", "agent")
    pipeline.append([event(number) for number in range(20)])
    pipeline.append(["2026-01-01T00:00:00Z stdout F answered"], PORTAL)
    pipeline.append(["2026-01-01T00:00:00Z stdout F not of a system"], "pods/kube-system_dns_uid/dns/0.log")
    wait("all lines", lambda: len(pipeline.received()) >= 22)
    later = "pods/httt-feedback-app_feedback-web-2_uid/web/0.log"
    (pipeline.folder / later).parent.mkdir(parents=True)
    pipeline.append(["2026-01-01T00:00:01Z stdout F of a new pod"], later)
    wait("a pod that came later", lambda: any("of a new pod" in line for line in pipeline.received()))
    own = " relay rsyslogd "
    assert [line for line in pipeline.received() if own in line and line.endswith("] start")], (
        "the relay says it started"
    )
    lines = [line for line in pipeline.received() if own not in line]
    assert sorted(pipeline.numbers()) == list(range(20)), "each once, as nothing failed"
    assert all(" node1 " in line for line in lines), "the node says which it is"
    assert [line for line in lines if PORTAL in line and line.endswith("stdout F answered")]
    assert not [line for line in lines if "not of a system" in line]


def test_a_receiver_that_is_away_costs_nothing_even_if_the_relay_and_the_agent_are_killed(pipeline: Pipeline) -> None:
    pipeline.start("soc", "nation", "connector", "relay", "agent")
    total = 0

    def add(count: int) -> None:
        nonlocal total
        pipeline.append([event(number) for number in range(total, total + count)])
        total += count

    add(300)
    wait("the first lines", lambda: len(set(pipeline.numbers())) == 300)
    pipeline.kill("soc")
    add(1500)
    work = pipeline.folder / "relay-work"
    # The kill falls into the middle of the stream; what waits in memory dies with the relay.
    wait("a queue on disk", lambda: sum(file.stat().st_size for file in work.glob("soc.0*")) > 50_000)
    pipeline.kill("relay")
    add(300)
    pipeline.kill("agent")
    pipeline.start("agent")
    add(300)
    pipeline.start("relay")
    time.sleep(0.5)
    pipeline.kill("relay")
    pipeline.start("relay")
    add(100)
    assert len(set(pipeline.numbers())) == 300, "nobody was there to take them"
    pipeline.start("soc")
    seconds = wait("every line", lambda: len(set(pipeline.numbers())) == total)
    got = pipeline.numbers()
    print(
        f"{pipeline.protocol}: {total} lines, {len(set(got))} arrived, {len(got) - total} twice, {seconds:.1f} s after"
    )


def test_the_nation_gets_every_event_even_if_the_connector_is_killed_or_its_end_is_away(pipeline: Pipeline) -> None:
    pipeline.start("soc", "nation", "connector", "relay", "agent")
    pipeline.append([event(number, stageTimestamp=str(number)) for number in range(200)])
    wait("the first lines", lambda: len(pipeline.received("nation")) >= 200)
    pipeline.kill("connector")
    pipeline.append([event(number) for number in range(200, 400)])
    wait("the monitoring centre, which needs no connector", lambda: len(set(pipeline.numbers())) == 400)
    pipeline.kill("nation")
    pipeline.start("connector")
    pipeline.append([event(number) for number in range(400, 600)])
    time.sleep(0.8)
    pipeline.kill("connector")
    pipeline.start("connector")
    assert len(pipeline.received("nation")) < 400, "nobody was there to take them"
    pipeline.start("nation")
    # The nation is told no number of an event, so what can be counted is how many came at least.
    wait("every event", lambda: len(pipeline.received("nation")) >= 600)


def test_a_full_queue_holds_the_agent_back_and_drops_nothing(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, queue=texts.Queue(lines=1_000_000, mebibytes=8))
    count = 4000  # 14 MB
    try:
        pipeline.start("nation", "connector", "relay", "agent")
        pipeline.append([event(number, padding="x" * 3000) for number in range(count)])
        work = tmp_path / "relay-work"

        def kept() -> int:
            return sum(file.stat().st_size for file in work.glob("soc.0*"))

        wait("a queue that fills", lambda: kept() > 7_500_000)
        time.sleep(2)
        assert kept() < 10_000_000, "14 MB were written; the queue may have 8, and the file that it was at"
        pipeline.start("soc")
        wait("every line", lambda: set(pipeline.numbers()) == set(range(count)), 300)
    finally:
        pipeline.stop_all()


def test_a_file_that_was_rotated_while_the_agent_was_away_is_read_to_its_end(pipeline: Pipeline) -> None:
    pipeline.start("soc", "nation", "connector", "relay", "agent")
    pipeline.append([event(number) for number in range(50)])
    wait("the first lines", lambda: len(set(pipeline.numbers())) == 50)
    pipeline.kill("agent")
    pipeline.append([event(number) for number in range(50, 80)])
    logs = pipeline.folder / "logs"
    shutil.move(logs / "audit.log", logs / "audit-2026-01-01T00-00-00.000.log")
    pipeline.append([event(number) for number in range(80, 100)])
    pipeline.start("agent")
    wait("both files", lambda: set(pipeline.numbers()) == set(range(100)))


@pytest.mark.parametrize("who", ["nobody", "stranger", "agent"])
def test_who_has_no_certificate_or_anothers_is_refused(who: str, pipeline: Pipeline) -> None:
    """Neither without one, nor with the right name by another authority, nor by this centre's own inner authority."""
    pipeline.start("soc", "nation", "connector", "relay", "agent")
    pipeline.append([event(0)])
    wait("a first line at both", lambda: bool(pipeline.numbers() and pipeline.received("nation")))
    for receiver, port in pipeline.ports.items():
        if (receiver, who) == ("relay", "agent"):
            continue  # that one is the agent's own way; the connector's is the relay's alone
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if who != "nobody":
            context.load_cert_chain(pipeline.folder / who / "tls.crt", pipeline.folder / who / "tls.key")
        assert not _answers(context, port), f"{receiver} speaks with {who}"
    pipeline.append([event(1)])
    wait("a second line at both", lambda: 1 in pipeline.numbers() and len(pipeline.received("nation")) > 1)
    # The relay's own words may come at any time.
    lines = [line for line in pipeline.received() if " relay rsyslogd " not in line]
    assert (len(lines), len(pipeline.received("nation"))) == (2, 2)
    assert not [line for line in [*pipeline.received(), *pipeline.received("nation")] if "planted" in line]


def _answers(context: ssl.SSLContext, port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as tls:
            tls.sendall(
                b"1 open 85 relp_version=0\nrelp_software=test\ncommands=syslog\n\n51 <13>1 - h a - - - planted\n"
            )
            tls.settimeout(2)
            return bool(tls.recv(100))
    except TimeoutError:
        return False  # a syslog receiver never answers; whether it wrote the line is looked at afterwards
    except OSError:
        return False


def test_a_receiver_with_another_name_gets_nothing_and_loses_nothing(pipeline: Pipeline) -> None:
    """Who took over the address and has a certificate of the same authority is still not the one that was declared."""
    own = {file: (pipeline.folder / "soc" / file).read_text() for file in ("tls.crt", "tls.key")}
    for file in own:
        shutil.copy(pipeline.folder / "nation" / file, pipeline.folder / "soc" / file)
    pipeline.start("soc", "nation", "connector", "relay", "agent")
    pipeline.append([event(number) for number in range(100)])
    wait("the nation's lines", lambda: len(pipeline.received("nation")) >= 100)
    wait("the first figures", (pipeline.folder / "relay-run" / "statistics").exists)
    assert not pipeline.received()
    stuck = not pipeline.healthy("relay")
    assert stuck == (pipeline.protocol == "relp"), "over RELP rsyslog gives up for good, and the probe must know"
    pipeline.stop("soc")
    for file, text in own.items():
        (pipeline.folder / "soc" / file).write_text(text)
    pipeline.start("soc")
    if stuck:  # what a kubelet does after the probe has failed
        pipeline.kill("relay")
        pipeline.start("relay")
        assert not (pipeline.folder / "relay-run" / "stuck").exists()
    wait("the lines, now that it is the right one", lambda: set(pipeline.numbers()) == set(range(100)))


def test_six_fields_pass_to_the_nation_and_no_word_of_whoever_was_it(pipeline: Pipeline) -> None:
    pipeline.start("soc", "nation", "connector", "relay", "agent")
    person, number = "nguyen.van.a", "079123456789"
    pipeline.append(
        [
            event(1),
            # What a caller writes into a path becomes a resource, a namespace, a verb of the event.
            event(2, objectRef={"resource": number, "namespace": person, "name": number}, verb=person),
            event(3, responseStatus={"code": 403, "message": f'User "{person}" cannot get secrets'}),
            event(4, requestObject={"metadata": {"name": number}}, objectRef={"resource": "rolebindings"}, verb="bind"),
            f'{{"kind": "Event", "verb": "get", "user": "{person}", broken {number}',
        ]
    )  # fmt: skip
    pipeline.append([f"2026-01-01T00:00:00Z stdout F {person} asked for {number}"], PORTAL)
    wait("the whole log", lambda: len(pipeline.received()) >= 6)
    wait("the nation's part", lambda: sum(line.endswith("}") for line in pipeline.received("nation")) >= 4)
    time.sleep(0.5)  # for a fifth that must not come
    lines = pipeline.received("nation")
    bodies = [json.loads(line[line.index("{") :]) for line in lines]
    assert [(b["kind"], b["system"], b["severity"]) for b in bodies] == [
        ("get secrets", "portal", "notice"),
        ("other other", "centre", "notice"),
        ("get secrets", "portal", "warning"),
        ("bind rolebindings", "centre", "notice"),
    ]
    assert {tuple(body) for body in bodies} == {("time", "host", "program", "kind", "system", "severity")}
    assert not [line for line in lines if person in line or number in line or "10.1.2.3" in line or CLIENT in line]
    assert all(re.fullmatch(r"[0-9T:.+-]+", body["time"]) and body["host"] == "node1" for body in bodies)
    assert [line for line in pipeline.received() if person in line], "the monitoring centre is told"
