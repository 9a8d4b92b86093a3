"""A stand-in for Pulumi's Kubernetes plugin: the same provider protocol over server-side apply, for typed resources.

It never adopts an object that it did not create, and refuses with a sentence what it does not support.
"""

VERSION = "4.34.2"
NAME = "dcshift stand-in for pulumi-resource-kubernetes"
NOTICE = f"{NAME} {VERSION} is in use: typed resources over server-side apply, no Helm, no YAML, no automatic names"
