"""Bring the statistics up to date; readers see the former figures until it is done."""

from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    help = "Refresh the materialised view behind the statistics page"

    def handle(self, *args, **options):
        with connection.cursor() as cursor:
            cursor.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY dossier_statistics")
        self.stdout.write("refresh_statistics: done")
