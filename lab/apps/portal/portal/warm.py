"""Loads what the first request would otherwise load while a citizen waits; it touches neither database nor bucket."""

from django.conf import settings
from django.core.files.storage import default_storage
from django.template.loader import get_template
from django.urls import get_resolver

PAGES = ("home", "catalogue", "procedure", "file", "dossier", "look_up", "statistics", "404")


def warm():
    """Load addresses, templates and, where uploads live in a bucket, the S3 client's models."""
    get_resolver().url_patterns  # noqa: B018  a property that loads
    for page in PAGES:
        get_template(f"{page}.html")
    if settings.S3_BUCKET:
        default_storage.connection  # noqa: B018  a property that loads
