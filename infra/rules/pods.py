"""Rules of pods, alone or in the templates of what makes them: least rights, known images, bounded resources."""

from __future__ import annotations

from typing import Final

from infra import labels
from infra.rules.rule import Rule, Scope
from infra.rules.subjects import BUDGETS, CRON_JOBS, DEPLOYMENTS, JOBS, SCALERS, STANDING, WORKLOADS
from infra.spreading import ZONE

_LEAST: Final = "pod-security"
_NAMED_AFTER: Final = "^(INTEGRATION|S3_BUCKET)_"
_SECRET_NAMES: Final = "(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE|_KEY$)"  # noqa: S105  names, not secrets


def _each(condition: str) -> str:
    return f"variables.containers.all(c, {condition})"


def _own_or_pods(field: str, default: str) -> str:
    """Return a container's setting, else its pod's, else the default."""
    path = f"?securityContext.{field}"
    return f"c.{path}.orValue(variables.pod.{path}.orValue({default}))"


PODS: Final = (
    Rule(
        "run-as-non-root",
        "No container runs as root.",
        _LEAST,
        WORKLOADS,
        _each(f"{_own_or_pods('runAsNonRoot', 'false')} && {_own_or_pods('runAsUser', '1')} != 0"),
    ),
    Rule(
        "no-privilege-escalation",
        "No container is privileged or may gain rights after its start.",
        _LEAST,
        WORKLOADS,
        _each(
            "!c.?securityContext.allowPrivilegeEscalation.orValue(true) "
            "&& !c.?securityContext.privileged.orValue(false)"
        ),
    ),
    Rule(
        "drop-all-capabilities",
        "Every container drops ALL capabilities and adds none.",
        _LEAST,
        WORKLOADS,
        _each(
            "'ALL' in c.?securityContext.capabilities.drop.orValue([]) "
            "&& c.?securityContext.capabilities.add.orValue([]).size() == 0"
        ),
    ),
    Rule(
        "read-only-root",
        "Every container's root file system is read-only.",
        _LEAST,
        WORKLOADS,
        _each("c.?securityContext.readOnlyRootFilesystem.orValue(false)"),
    ),
    Rule(
        "seccomp-default",
        "Every container runs under the runtime's own seccomp profile.",
        _LEAST,
        WORKLOADS,
        _each(_own_or_pods("seccompProfile.type", "''") + " == 'RuntimeDefault'"),
    ),
    Rule(
        "requests-and-limits",
        "Every container requests cpu and memory, and is limited in both.",
        "quotas",
        WORKLOADS,
        _each("['requests', 'limits'].all(w, ['cpu', 'memory'].all(r, c.?resources[?w][?r].hasValue()))"),
    ),
    Rule(
        "image-of-registry",
        "Every image is the declared registry's, under a digest or a tag that is not latest.",
        "an toàn ứng dụng, phát triển và cài đặt phần mềm",
        WORKLOADS,
        _each(
            "c.?image.orValue('').startsWith(variables.registry + '/') "
            "&& c.image.matches('(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$') && !c.image.endsWith(':latest')"
        ),
    ),
    Rule(
        "image-by-digest",
        "Every image is named by its digest.",
        "digest-images",
        WORKLOADS,
        _each("c.?image.orValue('').matches('@sha256:[0-9a-f]{64}$')"),
        in_lab=False,
    ),
    Rule(
        "no-host-namespaces",
        "No pod shares the host's network, processes or memory.",
        _LEAST,
        WORKLOADS,
        "['hostNetwork', 'hostPID', 'hostIPC'].all(n, !variables.pod[?n].orValue(false))",
    ),
    Rule(
        "no-host-ports",
        "No container takes a port of its host.",
        _LEAST,
        WORKLOADS,
        _each("c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0)"),
    ),
    Rule(
        "no-host-volumes",
        "Volumes are the cluster's own: no host path, no file server, no driver.",
        _LEAST,
        WORKLOADS,
        "variables.volumes.all(v, v.all(k, k in ['name', 'emptyDir', 'configMap', 'secret', 'projected', "
        "'downwardAPI', 'persistentVolumeClaim', 'ephemeral']))",
    ),
    Rule(
        "no-account-token",
        "No pod carries a token of the cluster.",
        "an toàn máy chủ, kiểm soát truy cập",
        WORKLOADS,
        "!variables.pod.?automountServiceAccountToken.orValue(true) "
        "&& variables.volumes.all(v, v.?projected.sources.orValue([]).all(s, !has(s.serviceAccountToken)))",
    ),
    Rule(
        "own-account",
        "Every pod runs under an account of its own, not the namespace's default.",
        "an toàn máy chủ, xác thực",
        WORKLOADS,
        "!(variables.pod.?serviceAccountName.orValue('') in ['', 'default'])",
    ),
    Rule(
        "no-secret-in-environment",
        "What is called a password, key, token or secret comes from a Secret, never as a value.",
        "an toàn dữ liệu, bí mật dữ liệu",
        WORKLOADS,
        _each(
            # What is named after a system or a set of files holds an address or a bucket, whatever it is called.
            f"c.?env.orValue([]).all(e, !e.name.matches('{_SECRET_NAMES}') || e.name.matches('{_NAMED_AFTER}') "
            "|| e.?value.orValue('') == '')",
        ),
    ),
    Rule(
        "pods-say-whose",
        "Every pod carries its system's label: network policies select by it.",
        "thiết kế hệ thống, phân vùng mạng",
        WORKLOADS,
        f"variables.podLabels[?'{labels.SYSTEM}'] == variables.place[?'{labels.SYSTEM}']",
    ),
)

RUNNING: Final = (
    Rule(
        "probes",
        "Every container of a web process or a worker says when it has started, is ready and is alive.",
        "metrics",
        STANDING,
        "variables.pod.containers.all(c, has(c.startupProbe) && has(c.readinessProbe) && has(c.livenessProbe))",
    ),
    Rule(
        "release-without-gap",
        "A new release never lowers the number of serving pods.",
        "thiết kế hệ thống, bảo đảm tính sẵn sàng",
        DEPLOYMENTS,
        "object.spec.?strategy.type.orValue('RollingUpdate') == 'RollingUpdate' "
        "&& string(object.spec.?strategy.rollingUpdate.maxUnavailable.orValue(dyn('25%'))) in ['0', '0%']",
    ),
    Rule(
        "spread-over-hosts",
        "Pods of a web process or a worker are spread over hosts or zones.",
        "spread",
        STANDING,
        "variables.pod.?topologySpreadConstraints.orValue([]).exists(t, "
        "t.topologyKey in ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'])",
        level=3,
    ),
    Rule(
        "spread-over-zones",
        "Pods of a web process or a worker are spread over the zones that there are, where the level asks for zones.",
        "spread",
        STANDING,
        "variables.spread[variables.level - 1] != 'zone' || variables.pod.?topologySpreadConstraints.orValue([])"
        f".exists(t, t.topologyKey == '{ZONE}' && t.whenUnsatisfiable == 'DoNotSchedule')",
        level=2,
        in_lab=False,
    ),
    Rule(
        "autoscaled-without-replicas",
        "A deployment with an autoscaler leaves the number of pods to it.",
        "thiết kế hệ thống, bảo đảm tính sẵn sàng",
        DEPLOYMENTS,
        "!has(object.spec.replicas) || !objects.exists(o, o.kind == 'HorizontalPodAutoscaler' "
        "&& o.metadata.namespace == object.metadata.namespace "
        "&& o.spec.scaleTargetRef.name == object.metadata.name)",
        scope=Scope.STACK,
    ),
    Rule(
        "disruption-budget",
        "Maintenance never stops all pods of a web process or a worker at once: a budget selects them.",
        "disruption-budget",
        STANDING,
        "objects.exists(o, o.kind == 'PodDisruptionBudget' && o.metadata.namespace == object.metadata.namespace "
        "&& o.spec.?selector.matchLabels == object.spec.?selector.matchLabels)",
        scope=Scope.STACK,
        level=2,
    ),
    Rule(
        "budget-lets-drain",
        "A disruption budget lets at least one pod go: a host must be able to empty itself.",
        "thiết kế hệ thống, dự phòng",
        BUDGETS,
        "has(object.spec.maxUnavailable) && !(string(object.spec.maxUnavailable) in ['0', '0%'])",
    ),
    Rule(
        "replicas-of-level",
        "At least as many pods serve as the level asks for.",
        "replicas-min",
        SCALERS,
        "object.spec.?minReplicas.orValue(1) >= variables.replicasMin[variables.level - 1]",
        in_lab=False,
    ),
    Rule(
        "one-run-at-a-time",
        "A scheduled job never runs beside itself.",
        "quản lý vận hành",
        CRON_JOBS,
        "object.spec.?concurrencyPolicy.orValue('Allow') == 'Forbid'",
    ),
    Rule(
        "missed-runs-lapse",
        "A scheduled job gives up a missed start instead of catching up.",
        "quản lý vận hành",
        CRON_JOBS,
        "object.spec.?startingDeadlineSeconds.orValue(0) > 0",
    ),
    Rule(
        "job-ends",
        "Every job is ended after a stated time.",
        "quản lý vận hành",
        JOBS,
        "variables.job.?activeDeadlineSeconds.orValue(0) > 0",
    ),
    Rule(
        "schedule-says-its-zone",
        "A schedule names its time zone.",
        "quản lý vận hành",
        CRON_JOBS,
        "object.spec.?timeZone.orValue('') != ''",
    ),
)
