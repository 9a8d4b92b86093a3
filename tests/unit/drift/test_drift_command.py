"""`dcshift drift` against an API server of one process: what it reads, what it says, and how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.drift.__main__ import main
from tests.support.declared import built_once
from tests.support.owned_object import OwnedObject
from tests.support.rights import resource_of

OURS = "pulumi-kubernetes-standin-0a1b2c3d"
Documents = dict[str, dict[str, Any]]


class Api(ThreadingHTTPServer):
    """Serves documents by path, the lists of kinds among them; it refuses to write."""

    documents: Documents
    forbidden: str = ""
    """A path that the asker may not read."""


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        assert isinstance(self.server, Api)
        found = self.server.documents.get(self.path)
        body = json.dumps(found or {"message": "none"}).encode()
        self.send_response(403 if self.path == self.server.forbidden else 200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def api() -> Iterator[Api]:
    """The stack `portal` as it was applied."""
    server = Api(("127.0.0.1", 0), _Handler)
    server.documents = {}
    for each in built_once("portal").objects:
        root, path = place(each.inputs)
        kinds = server.documents.setdefault(root, {"resources": []})
        named = {"kind": each.inputs["kind"], "name": resource_of(each.inputs), "namespaced": True}
        if named not in kinds["resources"]:
            kinds["resources"].append(named)
        server.documents[path] = OwnedObject(each.inputs, OURS).live
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def place(document: dict[str, Any]) -> tuple[str, str]:
    version, metadata = document["apiVersion"], document["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return root, f"{root}/namespaces/{metadata['namespace']}/{resource_of(document)}/{metadata['name']}"


def of(kind: str) -> dict[str, Any]:
    return next(each.inputs for each in built_once("portal").objects if each.inputs["kind"] == kind)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Drift = Callable[..., Said]


@pytest.fixture
def drift(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Drift:
    """Return the command as it is typed, on that server and with no settings of the stacks' own."""
    cluster = {"cluster": {"server": f"http://127.0.0.1:{api.server_port}"}, "name": "c"}
    (tmp_path / "kubeconfig").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x",
    }))  # fmt: skip
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    def typed(*words: str) -> Said:
        monkeypatch.setattr("sys.argv", ["dcshift drift", f"--settings={tmp_path}", *words])
        code = main()
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return typed


def test_a_centre_as_it_was_applied_has_nothing_to_tell(drift: Drift) -> None:
    done = drift("portal")
    assert done.out == "every declared field is as declared, and ours alone\n", done.err
    assert done.code == 0


def test_each_difference_is_told_with_field_both_values_who_and_when(api: Api, drift: Drift) -> None:
    deployment, service, job = of("Deployment"), of("Service"), of("CronJob")
    kept = OwnedObject(deployment, OURS)
    where = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"web"}', "f:image")
    kept.update(where, "elsewhere/portal:1", "kubectl-set")
    api.documents[place(deployment)[1]] = kept.live
    del api.documents[place(service)[1]]
    armed = OwnedObject(job, OURS)
    armed.update(("f:spec", "f:suspend"), False, "dcshift-migrator")
    api.documents[place(job)[1]] = armed.live
    done = drift("portal")
    assert done.code == 3
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert done.out.splitlines()[:2] == [
        "gone     Service httt-portal-app/portal-web the whole object (stack portal)",
        "         `up` after `pulumi refresh` makes it again",
    ]
    assert (
        f"""\
drift    Deployment httt-portal-app/portal-web spec.template.spec.containers[web].image (stack portal)
         ours "{image}" · there "elsewhere/portal:1"
         by kubectl-set (a person at the command line), 2026-11-30T00:01:00Z
         `up` is refused there until that one gives it up, or it is declared so
"""
        in done.out
    )
    assert done.out.endswith("1 gone, 2 drift\n")
    rows = json.loads(drift("portal", "--json").out)["differences"]
    (suspended,) = [each for each in rows if each["field"] == "spec.suspend"]
    assert suspended["manager"] == "dcshift-migrator"
    assert (suspended["ours"], suspended["theirs"], suspended["refuses"]) == (True, False, True)


def test_a_stack_that_nobody_applied_is_one_sentence_and_no_list_of_losses(api: Api, drift: Drift) -> None:
    count = len(built_once("portal").objects)
    for each in built_once("portal").objects:
        api.documents.pop(place(each.inputs)[1], None)
    done = drift("portal")
    assert done.code == 3
    assert done.out.splitlines() == [
        f"gone     all {count} objects of the stack (stack portal)",
        "         the stack was never applied, or all of it was taken away: `up` after `pulumi refresh` makes it",
        "1 gone",
    ]
    (row,) = json.loads(drift("portal", "--json").out)["differences"]
    assert (row["stack"], row["class"], row["object"]) == ("portal", "gone", f"all {count} objects")


def test_a_kind_that_the_cluster_does_not_know_is_told_before_anything_is_written(api: Api, drift: Drift) -> None:
    del api.documents["/apis/gateway.networking.k8s.io/v1"]
    done = drift("portal")
    assert done.code == 3
    assert done.out.startswith("gone     HTTPRoute httt-portal-app/portal-web its whole kind (stack portal)")


def test_a_cluster_that_does_not_answer_is_an_error_and_no_verdict(api: Api, drift: Drift) -> None:
    api.shutdown()
    api.server_close()
    done = drift("portal")
    assert done.code == 1
    assert done.err.startswith("error[cluster-unread]: /api")
    assert done.out == ""


def test_an_object_that_may_not_be_read_is_an_error_and_not_gone(api: Api, drift: Drift) -> None:
    api.forbidden = place(of("Service"))[1]
    done = drift("portal")
    assert done.code == 1
    assert done.err.startswith(f"error[cluster-unread]: {api.forbidden} could not be read")
    assert "auditor" in done.err


def test_a_stack_that_is_none_is_told(drift: Drift) -> None:
    done = drift("potral")
    assert done.code == 2
    assert done.err.startswith("error[stack-unknown]: there is no stack 'potral'")
