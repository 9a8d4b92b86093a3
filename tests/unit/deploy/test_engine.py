"""Pulumi's command line under a program that stands in for it: what is asked, and what a liar or a laggard gets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.deploy import engine
from infra.deploy.engine import Stack
from infra.errors import InfraError
from tests.support.patience import until
from tests.support.project import ROOT

PULUMI = """#!{python}
import json, os, signal, sys, time
with open(os.environ["ASKED"], "a") as asked:
    asked.write(json.dumps(sys.argv[1:]) + "\\n")
{body}
"""


def pulumi(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    program, asked = folder / "pulumi", folder / "asked"
    program.write_text(PULUMI.format(python=sys.executable, body=body))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(asked))
    return asked


def test_a_preview_is_of_the_stack_with_its_rules_and_looks_at_the_live_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = pulumi(tmp_path, monkeypatch, 'print(json.dumps({"steps": []}))')
    assert Stack("portal", "/rules").preview() == {"steps": []}
    line = '["--non-interactive", "preview", "--json", "--refresh", "--policy-pack", "/rules", "--stack", "portal"]\n'
    assert asked.read_text() == line


def test_only_the_projects_own_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"dcshift:release": {"value": "8.0.1"}, "kubernetes:x": {"value": "y"}}
    pulumi(tmp_path, monkeypatch, f"print(json.dumps({values!r}))")
    assert Stack("portal").settings() == {"release": "8.0.1"}


STORE = """
import pathlib
words = sys.argv[1:]
file = pathlib.Path(words[words.index("--config-file") + 1])
kept = json.loads(file.read_text()) if file.exists() else {}
if words[1:3] == ["config", "--json"]:
    print(json.dumps({key: {"value": value} for key, value in kept.items()}))
elif words[1:3] == ["config", "set"]:
    file.write_text(json.dumps({**kept, words[3]: words[4]}))
elif words[1:3] == ["config", "rm"]:
    del kept[words[3]]
    file.write_text(json.dumps(kept))
elif words[1] == "preview":
    print(json.dumps(kept))
"""


def test_what_is_tried_touches_the_stacks_own_settings_only_once_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi(tmp_path, monkeypatch, STORE)
    own = tmp_path / "config" / "Pulumi.portal.yaml"
    own.parent.mkdir()
    own.write_text('{"dcshift:release": "1", "dcshift:image": "1@sha256:1", "dcshift:serves": "target"}')
    before, stack = own.read_text(), Stack("portal", folder=own.parent)
    with stack.trying({"release": "2", "image": None, "migrate": None}) as tried:
        assert tried.preview() == {"dcshift:release": "2", "dcshift:serves": "target"}
    assert own.read_text() == before
    with stack.trying({"release": "2", "image": None}) as tried:
        stack.keep(tried)
    assert json.loads(own.read_text()) == {"dcshift:release": "2", "dcshift:serves": "target"}
    assert [path.name for path in own.parent.iterdir()] == [own.name]


SHARED = """
import pathlib
words = sys.argv[1:]
if words[1:3] == ["stack", "history"]:
    entry = lambda value: {"value": value, "secret": False}
    kept = {"dcshift:release": entry("1"), "dcshift:serves": entry("target")}
    kept["a:b"] = {**entry("[1]"), "objectValue": [1]}
    tried = {"dcshift:release": entry("9")}
    updates = [{"kind": "update", "result": "failed", "config": tried}, {"kind": "refresh", "result": "succeeded"}]
    print(json.dumps([*updates, {"kind": "update", "result": "succeeded", "config": kept}]))
    sys.exit()
file = pathlib.Path(words[words.index("--config-file") + 1])
if words[1:3] == ["config", "refresh"]:
    assert words[3] == "--force"
    file.write_text("encryptionsalt: v1:salt\\nconfig: {'dcshift:release': '9'}\\n")
elif words[1:3] == ["config", "--json"]:
    import yaml
    found = yaml.safe_load(file.read_text())
    print(json.dumps({key: {"value": value} for key, value in found["config"].items()}))
elif words[1:3] == ["config", "set"]:
    import yaml
    found = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**found, "config": {**found["config"], words[3]: words[4]}}))
elif words[1] == "preview":
    print(json.dumps({"file": file.read_text()}))
"""


def test_the_settings_of_a_shared_state_are_those_of_its_last_success_and_no_file_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi(tmp_path, monkeypatch, SHARED)
    own = tmp_path / "config" / "Pulumi.portal.yaml"
    own.parent.mkdir()
    own.write_text("config: {dcshift:release: 'of another day', dcshift:serves: source}")
    before, stack = own.read_text(), Stack("portal", folder=own.parent, shared=True)
    assert stack.settings() == {"release": "1", "serves": "target"}
    with stack.trying({"release": "2"}) as tried:
        assert tried.settings() == {"release": "2", "serves": "target"}
        written = yaml.safe_load(tried.preview()["file"])
        stack.keep(tried)
    assert written == {
        "encryptionsalt": "v1:salt",
        "config": {"dcshift:release": "2", "dcshift:serves": "target", "a:b": [1]},
    }
    assert own.read_text() == before


LOCKED = """
import pathlib
lock = pathlib.Path(os.environ["ASKED"]).with_name("lock")
if "cancel" in sys.argv:
    lock.unlink()
elif lock.exists():
    sys.exit("error: the stack is currently locked by 1 lock(s).\\n  " + lock.read_text())
"""


@pytest.mark.parametrize(("pid", "free"), [(2**22 + 1, True), (os.getpid(), False)], ids=["gone", "alive"])
def test_a_lock_is_taken_away_exactly_if_its_engine_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int, free: bool
) -> None:
    asked = pulumi(tmp_path, monkeypatch, LOCKED)
    lock = tmp_path / "lock"
    lock.write_text(f"file:///locks/1.json: created by root@{socket.gethostname()} (pid {pid}) at 2026-01-01T00:00:00Z")
    said: list[str] = []
    if free:
        Stack("portal").up(said.append)
        assert said[-1] == "the stack's lock was left by an engine that is gone, and was taken away"
        assert [json.loads(line)[1] for line in asked.read_text().splitlines()] == ["up", "cancel", "up"]
        return
    with pytest.raises(InfraError, match="locked"):
        Stack("portal").up(said.append)
    assert lock.exists()


def test_ctrl_c_lets_the_engine_end_its_work_and_reaches_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard"
    body = f"""
def stop(*_):
    with open({str(heard)!r}, "a") as file:
        file.write("interrupt ")
    time.sleep(0.3)
    with open({str(heard)!r}, "a") as file:
        file.write("state written")
    sys.exit(255)
signal.signal(signal.SIGINT, stop)
print("~ deployment", flush=True)
time.sleep(600)
"""
    pulumi(tmp_path, monkeypatch, body)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stack("portal").up(interrupt)
    assert heard.read_text() == "interrupt state written"


def test_an_engine_whose_deployment_is_killed_is_stopped_and_holds_no_lock_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard"
    body = f"""
def stop(*_):
    open({str(heard)!r}, "w").write("interrupt")
    sys.exit(255)
signal.signal(signal.SIGINT, stop)
print("~ deployment", flush=True)
time.sleep(600)
"""
    pulumi(tmp_path, monkeypatch, body)
    program = "from infra.deploy.engine import Stack; Stack('portal').up(lambda text: print(text, flush=True))"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "~ deployment\n"
        driver.kill()
    until(lambda: heard.exists() and heard.read_text())
    assert heard.read_text() == "interrupt"


def test_a_success_without_an_answer_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi(tmp_path, monkeypatch, "sys.exit(0)")
    with pytest.raises(InfraError, match="preview"):
        Stack("portal").preview()


def test_a_failure_says_the_engines_own_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"diagnostics": [{"severity": "info", "message": "a"}, {"severity": "error", "message": "no such class"}]}
    pulumi(tmp_path, monkeypatch, f"print(json.dumps({said!r})); sys.exit(255)")
    with pytest.raises(InfraError) as failed:
        Stack("portal").preview()
    assert failed.value.why == "no such class"


def test_waiting_for_pods_that_cannot_start_is_cut_short_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_PAUSE_SECONDS", 0.02)
    waiting = (
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(255))\nprint('~ deployment', flush=True)\ntime.sleep(600)"
    )
    pulumi(tmp_path, monkeypatch, waiting)
    said: list[str] = []
    with pytest.raises(InfraError) as failed:
        # There are no pods before there is a deployment, and no program that hears Ctrl-C either.
        Stack("portal").up(said.append, lambda: "pod web: ImagePullBackOff of x" if said else None)
    assert failed.value.why == "pod web: ImagePullBackOff of x"
    assert said == ["~ deployment"]


def test_trouble_that_passes_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(engine, "_HOPELESS_LOOKS", 3)
    calm = tmp_path / "calm"
    pulumi(tmp_path, monkeypatch, f"while not os.path.exists({str(calm)!r}): time.sleep(0.02)")
    answers = iter([None, "CrashLoopBackOff", "CrashLoopBackOff", None, "CrashLoopBackOff", "CrashLoopBackOff"])

    def hopeless() -> str | None:
        try:
            return next(answers)
        except StopIteration:
            calm.touch()
            return None

    Stack("portal").up(lambda text: None, hopeless)
    assert calm.exists()
