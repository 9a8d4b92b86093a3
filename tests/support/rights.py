"""RBAC as the API server reads it, from declared roles and bindings alone; it knows nothing of how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.naming import IDENTITIES
from infra.rights import kinds

Document = dict[str, Any]
_RESOURCES = {(kind.api_version, kind.name): kind.resource for kind in kinds.ALL}
_CLUSTER_ADMIN = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]


def resource_of(document: Document) -> str:
    return _RESOURCES[document["apiVersion"], document["kind"]]


@dataclass(frozen=True)
class Rights:
    """All roles and bindings of one stack."""

    roles: dict[tuple[str, str, str], list[Document]]
    bindings: list[Document]

    @classmethod
    def of(cls, documents: list[Document]) -> Rights:
        roles = {
            (d["kind"], d["metadata"].get("namespace", ""), d["metadata"]["name"]): d["rules"]
            for d in documents
            if d["kind"] in ("Role", "ClusterRole")
        }
        roles["ClusterRole", "", "cluster-admin"] = _CLUSTER_ADMIN
        return cls(roles, [d for d in documents if d["kind"] in ("RoleBinding", "ClusterRoleBinding")])

    def rules_of(self, who: str, kind: str = "ServiceAccount") -> list[tuple[Document, str]]:
        """Return one's rules, each with the namespace where it holds; empty is everywhere."""
        found = []
        for binding in self.bindings:
            where = binding["metadata"].get("namespace", "")
            for subject in binding["subjects"]:
                if (
                    subject["kind"] != kind
                    or subject["name"] != who
                    or subject.get("namespace", IDENTITIES) != IDENTITIES
                ):
                    continue
                role = binding["roleRef"]
                place = where if role["kind"] == "Role" else ""
                found += [(rule, where) for rule in self.roles[role["kind"], place, role["name"]]]
        return found

    def may(self, who: str, verb: str, what: str, namespace: str, name: str) -> bool:
        """Return whether one may; `what` is a group and a resource, `apps/deployments`."""
        group, _, resource = what.partition("/")
        return any(
            where in ("", namespace)
            and {"*", verb} & set(rule["verbs"])
            and {"*", group} & set(rule["apiGroups"])
            and {"*", resource} & set(rule["resources"])
            # What is made has no name yet.
            and (not rule.get("resourceNames") or (verb != "create" and name in rule["resourceNames"]))
            for rule, where in self.rules_of(who)
        )

    def may_do(self, who: str, verb: str, document: Document) -> bool:
        group, metadata = document["apiVersion"].rpartition("/")[0], document["metadata"]
        return self.may(who, verb, f"{group}/{resource_of(document)}", metadata.get("namespace", ""), metadata["name"])
