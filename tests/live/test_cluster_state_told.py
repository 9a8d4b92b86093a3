"""What a real kube-state-metrics says of real objects is what our alerts ask for, by a real Prometheus.

The objects are those that the stacks declare; that pods, jobs and sets are well or not is written into their status, as
controllers would: none runs here. No alert is waited for: its condition is asked.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from infra import naming
from infra.monitoring import series
from infra.monitoring.alerts import ALERTS
from lab.api_server import api_server
from lab.errors import LabError
from tests.support.centre_server import APP, DATA, documents, of_kind
from tests.support.cluster_state import CONFIG_MAPS, NEEDED, State, state_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
NAMESPACES = (naming.DRILLS, naming.SECURITY_LOG, naming.LOG_AGENTS, APP, DATA, "httt-feedback-data")
ALERT = {alert.name: alert.expression for alert in ALERTS}
PORTAL = [{"system": "portal"}]
BOTH = [{"system": "feedback"}, {"system": "portal"}]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """Everything is well: each system's database is young, and nobody ran a drill."""
    folder = tmp_path_factory.mktemp("state")
    try:
        with api_server(folder) as api, state_of(api, folder) as state:
            for name in NAMESPACES:
                state.write(of_kind("v1", "Namespace", name))
            # As a controller makes one in every namespace.
            state.write(of_kind("v1", "ConfigMap", "kube-root-ca.crt", naming.DRILLS))
            for each in documents("security"):
                if each["kind"] in ("StatefulSet", "DaemonSet"):
                    state.write(each, **well(each["kind"]))
            state.measure(NEEDED)
            yield state
    except LabError as missing:
        if missing.code != "tool-missing":
            raise
        pytest.skip(f"lacks something: {missing.what}")


def well(kind: str, ready: int = 1) -> dict[str, object]:
    if kind == "StatefulSet":
        return {"replicas": 1, "readyReplicas": ready}
    counts = ("currentNumberScheduled", "desiredNumberScheduled")
    return {**dict.fromkeys(counts, 1), "numberMisscheduled": 0, "numberReady": ready}


def test_programs_of_the_security_log_are_heard_and_missed_one_by_one(state: State) -> None:
    state.until(f"count({series.LOG_PROGRAM})", [{}], value=3)
    state.until(ALERT["SecurityLogSilent"], [])
    silent = [each for each in documents("security") if each["kind"] in ("StatefulSet", "DaemonSet")]
    assert {each["kind"] for each in silent} == {"StatefulSet", "DaemonSet"}
    for each in silent:
        state.write(each, **well(each["kind"], ready=0))
        program = {"program": each["metadata"]["name"], "system": "platform"}
        state.until(ALERT["SecurityLogSilent"], [program])
        state.write(each, **well(each["kind"]))
    state.until(ALERT["SecurityLogSilent"], [])


def test_a_job_that_failed_is_told_with_its_system_and_one_that_ended_well_is_not(state: State) -> None:
    (cron, *_) = (each for each in documents("portal") if each["kind"] == "CronJob")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def job(name: str, *conditions: str, **more: object) -> None:
        found = of_kind("batch/v1", "Job", name, APP, spec=cron["spec"]["jobTemplate"]["spec"])
        said = [{"type": each, "status": "True", "lastTransitionTime": now} for each in conditions]
        state.write(found, startTime=now, conditions=said, **more)

    job("of-today-1", "SuccessCriteriaMet", "Complete", succeeded=1, completionTime=now)
    told = {"namespace": APP, "system": "portal"}
    state.until("kube_job_status_start_time", [{**told, "job_name": "of-today-1"}])
    state.until(ALERT["JobFailed"], [])
    job("of-today-2", "FailureTarget", "Failed", failed=1)
    state.until(ALERT["JobFailed"], [{**told, "job_name": "of-today-2"}])


def test_a_container_that_restarts_again_is_told_with_its_pod(state: State) -> None:
    (web, *_) = (each for each in documents("portal") if each["kind"] == "Deployment")
    pod = of_kind("v1", "Pod", "web-1", APP, spec=web["spec"]["template"]["spec"])
    name = pod["spec"]["containers"][0]["name"]

    def restarted(times: int) -> None:
        running = {"name": name, "image": "", "imageID": "", "ready": True, "restartCount": times}
        state.write(pod, phase="Running", containerStatuses=[running])

    told = {"container": name, "namespace": APP, "pod": "web-1", "system": "portal"}
    restarted(0)
    state.until("kube_pod_container_status_restarts_total", [told], value=0)
    state.until(ALERT["PodRestartsAgain"], [])
    restarted(9)
    state.until(ALERT["PodRestartsAgain"], [told])


def test_a_drill_is_as_old_as_its_mark_and_before_the_first_as_its_database(state: State) -> None:
    overdue = ALERT["DrillOverdue"]
    assert overdue.count(series.DRILL_SECONDS_MAX) == 1
    # A month is not waited for: whatever is due at once is overdue.
    at_once = overdue.replace(series.DRILL_SECONDS_MAX, f"0 * {series.DRILL_SECONDS_MAX}")
    state.until(series.DRILL_SECONDS_MAX, BOTH)
    state.until(at_once, BOTH)
    state.until(overdue, [])
    state.until(ALERT["DrillUnknown"], [])
    drilled = (
        f'(time() - {series.DRILL_AGE}) and on (system) group by (system) (kube_namespace_created{{system="portal"}})'
    )
    state.until(drilled, PORTAL, value=state.born(of_kind("v1", "Namespace", DATA)))
    equal = of_kind("v1", "ConfigMap", naming.drill_equal("portal"), naming.DRILLS)
    state.write(equal)
    state.until(drilled, PORTAL, value=state.born(equal))
    state.until(ALERT["DrillFailed"], [])
    state.write(of_kind("v1", "ConfigMap", naming.drill_failed("portal"), naming.DRILLS))
    state.until(ALERT["DrillFailed"], PORTAL)


def test_one_that_is_told_not_to_look_at_config_maps_is_told(state: State) -> None:
    """The last: it is started anew."""
    state.measure(tuple(each for each in NEEDED if each != CONFIG_MAPS))
    state.until(ALERT["DrillUnknown"], BOTH)
