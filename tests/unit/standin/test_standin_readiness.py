"""When the stand-in takes an object for ready, for failed, or waits on."""

from __future__ import annotations

from typing import Any

import pytest
from standin.kinds import UnsupportedError
from standin.readiness import state, wait_for
from standin.waiting import pod_troubles


def thing(kind: str, *, annotations: dict[str, str] | None = None, generation: int = 2, **parts: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "x", "generation": generation, "annotations": annotations or {}},
        "spec": {},
        **parts,
    }


def condition(kind: str, status: str = "True", **more: Any) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, **more}]}


def deployment(**status: Any) -> dict[str, Any]:
    full = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, **status}
    return thing("Deployment", status=full)


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (deployment(), "ready"),
        (deployment(observedGeneration=1), "waiting"),
        (deployment(updatedReplicas=0), "waiting"),
        (deployment(availableReplicas=0), "waiting"),
        (deployment(replicas=2), "waiting"),
        (deployment(**condition("Progressing", "False", reason="ProgressDeadlineExceeded")), "failed"),
        ({**deployment(replicas=0, updatedReplicas=0, availableReplicas=0), "spec": {"replicas": 0}}, "ready"),
        (thing("StatefulSet", spec={"replicas": 2}, status={"observedGeneration": 2, "readyReplicas": 1}), "waiting"),
        (
            thing(
                "StatefulSet",
                spec={"replicas": 1},
                status={"observedGeneration": 2, "readyReplicas": 1, "updatedReplicas": 1},
            ),
            "ready",
        ),
        (thing("Job", status={}), "waiting"),
        (thing("Job", status=condition("Complete")), "ready"),
        (thing("Job", status=condition("Failed", message="BackoffLimitExceeded")), "failed"),
        (thing("Job", spec={"suspend": True}), "ready"),
        (thing("Namespace", status={"phase": "Active"}), "ready"),
        (thing("Namespace", status={"phase": "Terminating"}), "waiting"),
        (thing("Cluster", status={"phase": "Setting up primary"}), "waiting"),
        (thing("Cluster", status=condition("Ready")), "ready"),
        (thing("Gateway", status=condition("Programmed", observedGeneration=2)), "ready"),
        (thing("Gateway", status=condition("Programmed", observedGeneration=1)), "waiting"),
        (thing("Gateway", status=condition("Programmed", "False", reason="Invalid")), "waiting"),
        (thing("HTTPRoute", spec={"parentRefs": [{}]}, status={"parents": []}), "waiting"),
        (thing("Service", spec={"type": "ClusterIP"}), "ready"),
        (thing("Service", spec={"type": "LoadBalancer"}, status={"loadBalancer": {}}), "waiting"),
        (thing("PersistentVolumeClaim", status={"phase": "Pending"}), "ready"),
        (thing("Pod", status=condition("Ready")), "ready"),
    ],
)
def test_each_kind_has_its_own_rule(document: dict[str, Any], verdict: str) -> None:
    assert state(document).verdict == verdict, state(document).why


def test_a_route_is_ready_when_every_parent_accepts_it_and_finds_its_backends() -> None:
    def route(*kinds: str) -> dict[str, Any]:
        conditions = [{"type": kind, "status": "True"} for kind in kinds]
        return thing("HTTPRoute", spec={"parentRefs": [{}]}, status={"parents": [{"conditions": conditions}]})

    assert state(route("Accepted")).verdict == "waiting"
    assert state(route("Accepted", "ResolvedRefs")).verdict == "ready"


def test_an_object_may_say_itself_what_to_wait_for() -> None:
    wanted = {"pulumi.com/waitFor": "condition=Programmed"}
    assert state(thing("Whatever", annotations=wanted, status={})).verdict == "waiting"
    assert state(thing("Whatever", annotations=wanted, status=condition("Programmed"))).verdict == "ready"
    path = {"pulumi.com/waitFor": "jsonpath={.status.phase}=Running"}
    assert state(thing("Whatever", annotations=path, status={"phase": "Pending"})).verdict == "waiting"
    assert state(thing("Whatever", annotations=path, status={"phase": "Running"})).verdict == "ready"
    both = {"pulumi.com/waitFor": '["condition=Ready", "jsonpath={.status.phase}"]'}
    assert state(thing("Whatever", annotations=both, status=condition("Ready"))).verdict == "waiting"
    assert state(thing("Whatever", annotations=both, status={**condition("Ready"), "phase": "x"})).verdict == "ready"


def test_an_object_may_say_not_to_wait() -> None:
    assert state(thing("Job", annotations={"pulumi.com/skipAwait": "true"}, status={})).verdict == "ready"


def test_a_wish_that_is_not_understood_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="condition=TYPE"):
        wait_for("status.phase=Running")


def test_what_keeps_a_pod_from_running_is_told() -> None:
    pod = {
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: too little memory"}],
            "containerStatuses": [
                {"name": "web", "ready": False, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}},
                {"name": "side", "ready": False, "state": {"running": {}}, "restartCount": 3},
            ],
        }
    }
    told = "\n".join(pod_troubles(pod))
    for word in ("too little memory", "web waiting: ImagePullBackOff no", "side runs but its probes", "restarted 3"):
        assert word in told
