"""The objects that the lab itself puts into the cluster, from its manifests; what Pulumi declares is not among them."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any, Final

import yaml

from lab import addresses, ca
from lab.images import image_name
from lab.target import layout
from lab.target.upstream import CERT_MANAGER, CNPG, GATEWAY_API, TRAEFIK, manifests

Document = dict[str, Any]
_FOLDER: Final = Path(__file__).parent / "manifests"
_VALUES: Final = {
    "cluster_domain": layout.CLUSTER_DOMAIN,
    "dns_address": layout.DNS_ADDRESS,
    "edge_namespace": layout.EDGE_NAMESPACE,
    "gateway_class": layout.GATEWAY_CLASS,
    "node_address": addresses.NODE_ADDRESS,
    "source_network": addresses.SOURCE_NETWORK,
    "certificates_namespace": layout.CERTIFICATES_NAMESPACE,
    "issuer": layout.ISSUER,
    "certificates_image": image_name("cert-manager"),
    "coredns_image": image_name("coredns"),
    "probe_image": image_name("probe"),
    "traefik_image": image_name("traefik"),
}


def load(name: str, **values: str) -> list[Document]:
    """Return the objects of `manifests/<name>.yaml` with `$words` replaced; an unknown word is an error."""
    text = string.Template((_FOLDER / f"{name}.yaml").read_text()).substitute(_VALUES, **values)
    return [document for document in yaml.safe_load_all(text) if document]


def edge_kinds() -> list[Document]:
    """Return the CRDs of the edge: the Gateway API's, standard channel, its controller's own, and certificates'."""
    published = [*manifests(GATEWAY_API), *manifests(TRAEFIK)]
    kinds = ("Certificate", "CertificateRequest", "Issuer")
    return [
        *(each for each in published if each["kind"] == "CustomResourceDefinition"),
        *(each for each in manifests(CERT_MANAGER) if each["spec"]["names"]["kind"] in kinds),
    ]


def operator() -> list[Document]:
    """Return CloudNativePG's published manifest, its image replaced by the one that we build from its source."""
    documents = manifests(CNPG)
    name = image_name("cloudnative-pg")
    for document in documents:
        if document["kind"] != "Deployment":
            continue
        for container in document["spec"]["template"]["spec"]["containers"]:
            container["image"] = name
            container["imagePullPolicy"] = "IfNotPresent"  # no registry stands behind this node
            # A tenth of a CPU makes the start of the operator, and with it every cluster's, three times as long.
            container["resources"]["limits"]["cpu"] = "1"
            for variable in container["env"]:
                if variable["name"] == "OPERATOR_IMAGE_NAME":
                    variable["value"] = name
    return documents


def sample_cluster() -> Document:
    """Return a PostgreSQL cluster that is good enough to be admitted; it is only ever tried, never kept."""
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": "sample", "namespace": "default"},
        "spec": {"instances": 1, "storage": {"size": "1Gi", "storageClass": layout.STORAGE_CLASS}},
    }


def certificates(authority: ca.Authority) -> list[Document]:
    """Return cert-manager, and an Issuer that signs as this authority."""
    certificate = authority.ensure()
    key = authority.folder / "ca.key"
    # As JSON, which is YAML: both have several lines.
    return load(
        "certificates",
        authority_certificate=json.dumps(certificate.read_text()),
        authority_key=json.dumps(key.read_text()),
    )


def storage() -> list[Document]:
    """Return the storage class and its volumes: folders of this machine, kept when their claim goes."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": layout.STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }
    return [storage_class, *(_volume(number) for number in range(1, layout.VOLUME_COUNT + 1))]


def volume_name(number: int) -> str:
    """Return the name of a volume and of its folder."""
    return f"local-{number:02d}"


def _volume(number: int) -> Document:
    # `local`, not hostPath: only for those the kubelet applies fsGroup, which PostgreSQL's user needs.
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [layout.NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(number)},
        "spec": {
            "capacity": {"storage": layout.VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": layout.STORAGE_CLASS,
            "local": {"path": str(layout.VOLUMES / volume_name(number))},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
    }
