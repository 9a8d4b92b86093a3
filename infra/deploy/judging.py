"""What forbids a deployment before the engine is asked: rules that are broken, and a cluster that lacks something.

It builds the stack as it would be and asks the cluster with the deployment's own identity; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra.render.building import built_from
from infra.render.judging import refuse_breaches
from infra.safety.asking import refuse_lacking

Say = Callable[[str], None]


def refuse(stack: str, settings: Mapping[str, str], say: Say) -> None:
    """Judge the stack under the settings that are to be tried. Raises `InfraError`; what could not be asked is said."""
    built = built_from(stack, settings)
    refuse_breaches([built])
    say(f"rules: each of {len(built.objects)} objects keeps every rule")
    refuse_lacking([built], unasked=lambda what: say(f"cluster: {what}"))
    say("cluster: as far as this identity may ask, it lacks nothing of what is declared")
