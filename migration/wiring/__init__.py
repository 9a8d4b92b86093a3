"""Builds everything from a workspace; the only package that knows adapters. It runs nothing by itself.

Adapters are imported when they are needed: a command that reads the journal does not wait for a Kubernetes client.
"""

from migration.wiring.contracts import usable
from migration.wiring.workspace import Workspace

__all__ = ["Workspace", "usable"]
