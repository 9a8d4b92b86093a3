"""The rules as the API server enforces them, on every change by anybody; no program of ours is asked."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra import naming
from infra.config import Settings
from infra.rules import admission, facts, keeping, node_logs


@dataclass(frozen=True, slots=True)
class AdmissionGuardArgs:
    """Which centre's names and numbers the rules speak of."""

    settings: Settings
    """The platform stack's own: registry, domain, hosts and numbers stand in the rules."""


class AdmissionGuard(pulumi.ComponentResource):
    """A policy and its binding for each subject of the rules, for what holds data, and for log agents."""

    policies: list[str]

    def __init__(self, name: str, args: AdmissionGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:platform:AdmissionGuard", name, None, opts)
        api = k8s.admissionregistration.v1
        self.policies, known = [], facts.of(args.settings)
        written = [*zip(admission.policies(known), admission.bindings(), strict=True)]
        written.append((keeping.policy(known), keeping.binding()))
        if args.settings.catalogue.province.security_log:
            written.append((node_logs.policy(known, args.settings.node_folders), node_logs.binding()))
        for policy, binding in written:
            called = policy["metadata"]["name"]
            made = api.ValidatingAdmissionPolicy(
                naming.logical("platform", "admission-policy", called),
                metadata=policy["metadata"],
                spec=policy["spec"],
                opts=pulumi.ResourceOptions(parent=self),
            )
            api.ValidatingAdmissionPolicyBinding(
                naming.logical("platform", "admission-binding", called),
                metadata=binding["metadata"],
                spec=binding["spec"],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[made]),
            )
            self.policies.append(called)
        self.register_outputs({"policies": self.policies})
