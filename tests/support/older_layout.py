"""`python -m tests.support.older_layout PROJECT`: brings `platform` up as it was while it declared every ground.

No word of a ground's own stack is in it; nobody waits for what no controller would do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pulumi

from bench.up import unawaited
from infra import config
from infra.components.edge import Edge, EdgeArgs
from infra.components.identities import Identities, IdentitiesArgs
from infra.components.information_system import InformationSystem, InformationSystemArgs
from infra.stacks.cluster import provider
from infra.up import language, plugin
from infra.up.engine import Engine


def _program() -> None:
    pulumi.runtime.register_stack_transformation(unawaited)
    settings = config.read(pulumi.get_stack())
    opts, province = pulumi.ResourceOptions(providers=[provider(settings)]), settings.catalogue.province
    Identities("identities", IdentitiesArgs(settings.catalogue.systems), opts)
    grounds = [
        InformationSystem(system.id, InformationSystemArgs(settings, system), opts)
        for system in settings.catalogue.systems
    ]
    classes = {each: province.target.zone(each).gateway_class for each in settings.exposures}
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=grounds))
    Edge("edge", EdgeArgs(settings.edge_namespace, classes, province.domain, province.target.certificates), after)


def main() -> None:
    """Bring it up."""
    engine = Engine(print, Path(sys.argv[1]))
    with plugin.shared() as shared, language.served(_program) as words:
        engine.create(["platform"])
        print(engine.up("platform", words, shared))


if __name__ == "__main__":
    main()
