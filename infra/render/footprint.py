"""What a system takes from the cluster, added up from its manifests alone; pure, and nothing is asked of a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Document = dict[str, Any]
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Amount:
    """Thousandths of a CPU, and MiB of memory."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __mul__(self, count: int) -> Amount:
        return Amount(self.cpu * count, self.memory * count)


@dataclass(frozen=True, slots=True)
class Footprint:
    """One system: what always runs, and what its quotas let it grow to."""

    web_pods_min: int
    web_pods_max: int
    instances: int
    jobs: int
    reserved: Amount
    """What the pods that always run request: web at its least, every worker, database instance and pooler."""
    reserved_max: Amount
    """What quotas let its pods request together: scaled out, in a roll-out, jobs twice, an instance that joins."""
    used_max: Amount
    """What quotas let its pods use together."""
    pods_max: int
    volumes: int
    storage: int
    """MiB of the volumes that always stand there."""
    storage_max: int
    """MiB that the quotas allow."""
    buckets: int


def of(documents: Iterable[Document]) -> Footprint:
    """Return the footprint of one system's manifests. Raises `ValueError` unless each part is there once."""
    found = list(documents)
    scaler, deployment = _only(found, "HorizontalPodAutoscaler")["spec"], _only(found, "Deployment")["spec"]
    cluster, quotas = _only(found, "Cluster")["spec"], [each["spec"]["hard"] for each in _of(found, "ResourceQuota")]
    web = sum((_requests(each) for each in deployment["template"]["spec"]["containers"]), Amount())
    instances = cluster["instances"]
    files = [each["spec"]["resources"]["requests"]["storage"] for each in _of(found, "PersistentVolumeClaim")]
    pools = [each["spec"] for each in _of(found, "Pooler")]
    return Footprint(
        web_pods_min=scaler["minReplicas"],
        web_pods_max=scaler["maxReplicas"],
        instances=instances,
        jobs=len(_of(found, "CronJob")),
        reserved=sum(map(_of_pool, pools), web * scaler["minReplicas"] + _requests(cluster) * instances)
        + sum((_of_worker(each["spec"]) for each in _of(found, "StatefulSet")), Amount()),
        reserved_max=sum((_amount(hard, "requests.") for hard in quotas), Amount()),
        used_max=sum((_amount(hard, "limits.") for hard in quotas), Amount()),
        pods_max=sum(int(hard["pods"]) for hard in quotas),
        volumes=instances + len(files),
        storage=mebibytes(cluster["storage"]["size"]) * instances + sum(map(mebibytes, files)),
        storage_max=sum(mebibytes(hard.get("requests.storage", "0")) for hard in quotas),
        buckets=_buckets(deployment),
    )


def mebibytes(quantity: str) -> int:
    return int(parse_quantity(quantity) / _MIB)


def _requests(container: Document) -> Amount:
    return _amount(container["resources"]["requests"], "")


def _of_pool(pooler: Document) -> Amount:
    one = sum(map(_requests, pooler["template"]["spec"]["containers"]), Amount())
    return one * int(pooler["instances"])


def _of_worker(workers: Document) -> Amount:
    one = sum(map(_requests, workers["template"]["spec"]["containers"]), Amount())
    return one * int(workers["replicas"])


def _amount(words: Document, prefix: str) -> Amount:
    return Amount(int(parse_quantity(words[f"{prefix}cpu"]) * 1000), mebibytes(words[f"{prefix}memory"]))


def _buckets(deployment: Document) -> int:
    variables = deployment["template"]["spec"]["containers"][0]["env"]
    return len({each["value"] for each in variables if each["name"].startswith("S3_BUCKET")})


def _of(documents: list[Document], kind: str) -> list[Document]:
    return [each for each in documents if each["kind"] == kind]


def _only(documents: list[Document], kind: str) -> Document:
    (one,) = _of(documents, kind)
    return one
