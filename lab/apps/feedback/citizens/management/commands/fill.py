"""Fill an empty feedback system with invented data of a stated scale; it refuses one that has tickets."""

import time

from citizens.filling import people, tickets, uploads
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from helpdesk.models import Ticket

SCALES = {"full": {"tickets": 25_000, "files": 3_000}, "tenth": {"tickets": 2_500, "files": 300}}


class Command(BaseCommand):
    help = "Fill an empty feedback system with invented data"

    def add_arguments(self, parser):
        parser.add_argument("--scale", choices=sorted(SCALES), required=True)

    def handle(self, *args, scale, **options):
        if Ticket.objects.exists():
            raise CommandError("this feedback system has tickets already; nothing was changed")
        size, started = SCALES[scale], time.monotonic()
        with transaction.atomic():
            queues, staff = people.fill()
            tickets.fill(size["tickets"], queues, staff)
            uploads.fill(settings.MEDIA_ROOT, size["files"])
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        seconds = time.monotonic() - started
        self.stdout.write(f"fill: {size['tickets']} tickets, {size['files']} files in {seconds:.1f} s")
