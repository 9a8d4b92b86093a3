"""Fill an empty portal with invented data of a stated scale; it refuses a portal that has dossiers."""

import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from dossiers.filling import catalogue, dossiers, people, uploads
from dossiers.models import Dossier

MEGABYTE = 1_000_000
SCALES = {
    "full": {"dossiers": 300_000, "files": 20_000, "big_bytes": 100 * MEGABYTE},
    "tenth": {"dossiers": 30_000, "files": 2_000, "big_bytes": 10 * MEGABYTE},
}
RECEIPTS = 200


class Command(BaseCommand):
    help = "Fill an empty portal with invented data"

    def add_arguments(self, parser):
        parser.add_argument("--scale", choices=sorted(SCALES), required=True)

    def handle(self, *args, scale, **options):
        if Dossier.objects.exists():
            raise CommandError("this portal has dossiers already; nothing was changed")
        size = SCALES[scale]
        with transaction.atomic():
            with self._timed("procedures"):
                online = catalogue.fill()
            officers = people.fill()
            with self._timed(f"{size['dossiers']} dossiers"):
                dossiers.fill(size["dossiers"], online, officers, RECEIPTS)
            with self._timed(f"{size['files']} files"):
                uploads.fill(settings.MEDIA_ROOT, size["files"], size["big_bytes"])
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")

    def _timed(self, what):
        return _Timed(self.stdout, what)


class _Timed:
    """Say how long a part took."""

    def __init__(self, stdout, what):
        self.stdout, self.what = stdout, what

    def __enter__(self):
        self.started = time.monotonic()

    def __exit__(self, *error):
        self.stdout.write(f"fill: {self.what} in {time.monotonic() - self.started:.1f} s")
