"""Every rule as one mandatory policy of Pulumi's: it translates what the engine says, and judges nothing itself."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyComplianceFramework,
    PolicyResource,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from catalogue import norms
from catalogue.load import load
from infra import config
from infra.rules import facts as centre_facts
from infra.rules.book import RULES
from infra.rules.facts import Facts
from infra.rules.judge import Item, breaches, options
from infra.rules.rule import Rule, Scope

Report = Callable[[str, str | None], None]
_PREFIX = "kubernetes:"


def policies(facts: Callable[[], Facts]) -> list[Policy]:
    """Return a policy for each rule that the engine can judge; `facts` is asked at the first object, not before."""
    law = norms.named(load(config.catalogue_folder()).province.norms)
    return [_policy(rule, facts, law) for rule in RULES if rule.scope is not Scope.RETAIN]


@functools.cache
def told() -> Facts:
    """Return what the rules must know, for the stack that the engine works on. Raises `ConfigError`."""
    return centre_facts.of(config.read(os.environ["PULUMI_STACK"]))


def plain(value: Any) -> Any:
    """Return what the engine hands over as plain values, whole numbers as integers.

    Raises the SDK's own error for a value that a preview does not know yet; the SDK then says so in place of a verdict.
    """
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(value[at]) for at in range(len(value))]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _policy(rule: Rule, facts: Callable[[], Facts], law: norms.NormSet) -> Policy:
    reference, verified = rule.cited(law)
    said: dict[str, Any] = {
        "name": rule.id,
        "description": f"{rule.sentence} ({reference}{'' if verified else ', not compared with the text'})",
        "enforcement_level": EnforcementLevel.MANDATORY,
        "framework": PolicyComplianceFramework(law.id, "", reference, ""),
    }
    if rule.scope is Scope.STACK:
        return StackValidationPolicy(validate=_of_stack(rule, facts), **said)
    return ResourceValidationPolicy(validate=_of_object(rule, facts), **said)


def _of_object(rule: Rule, facts: Callable[[], Facts]) -> Callable[[ResourceValidationArgs, Report], None]:
    def validate(args: ResourceValidationArgs, report: Report) -> None:
        if args.resource_type.startswith(_PREFIX):
            for breach in breaches([_item(args)], facts(), [rule]):
                report(f"{breach.identity} breaks it", None)

    return validate


def _of_stack(rule: Rule, facts: Callable[[], Facts]) -> Callable[[StackValidationArgs, Report], None]:
    def validate(args: StackValidationArgs, report: Report) -> None:
        found = [resource for resource in args.resources if resource.resource_type.startswith(_PREFIX)]
        urns = {item.identity: resource.urn for resource in found for item in [_item(resource)]}
        for breach in breaches([_item(resource) for resource in found], facts(), [rule]):
            report(f"{breach.identity} breaks it", urns[breach.identity])

    return validate


def _item(resource: ResourceValidationArgs | PolicyResource) -> Item:
    given = resource.opts
    return Item(
        plain(resource.props),
        options(
            protect=bool(given.protect),
            deleted_first=bool(given.delete_before_replace),
            ignored=tuple(given.ignore_changes or ()),
        ),
    )
