"""Dossiers, their history, attachments, payments and receipts; columns of PostgreSQL's own types keep those types."""

from django.contrib.auth import get_user_model
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.utils import timezone
from procedures.models import ProcedurePage


class Status(models.TextChoices):
    RECEIVED = "received", "Đã tiếp nhận"
    PROCESSING = "processing", "Đang xử lý"
    ADDITION = "addition", "Yêu cầu bổ sung"
    FINISHED = "finished", "Đã có kết quả"
    RETURNED = "returned", "Đã trả kết quả"
    REFUSED = "refused", "Từ chối"


class StatusField(models.CharField):
    """A column of the enumeration `dossier_status`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 20, "choices": Status.choices, **kwargs})

    def db_type(self, connection):
        return "dossier_status"


class PhoneField(models.CharField):
    """A column of the domain `phone_number`, which the database checks."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_length": 20, **kwargs})

    def db_type(self, connection):
        return "phone_number"


class LargeObjectField(models.BigIntegerField):
    """A reference to a large object of the database."""

    def db_type(self, connection):
        return "oid"


def next_number():
    """Draw a dossier number; gaps are normal, a number is never given twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT next_dossier_number()")
        return cursor.fetchone()[0]


class Dossier(models.Model):
    """What a citizen filed. `client_ref` is indexed but not unique: a doubled filing must be visible, not refused."""

    number = models.CharField(max_length=20, unique=True)
    client_ref = models.UUIDField(db_index=True)
    procedure = models.ForeignKey(ProcedurePage, on_delete=models.PROTECT, related_name="dossiers")
    applicant_name = models.CharField(max_length=200)
    applicant_phone = PhoneField()
    applicant_email = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=300)
    form = models.JSONField(default=dict)
    tags = ArrayField(models.CharField(max_length=40), default=list)
    status = StatusField(default=Status.RECEIVED)
    fee = models.IntegerField(default=0)
    postal_return = models.BooleanField(default=False)
    submitted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["status", "submitted_at"], name="dossier_status_time")]

    @property
    def paid(self):
        return sum(payment.amount for payment in self.payments.all())


class StatusEvent(models.Model):
    """One step of a dossier's history."""

    dossier = models.ForeignKey(Dossier, on_delete=models.CASCADE, related_name="events")
    status = StatusField()
    note = models.CharField(max_length=300, blank=True)
    officer = models.ForeignKey(get_user_model(), null=True, blank=True, on_delete=models.SET_NULL)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "id"]


class Notice(models.Model):
    """What an applicant is to be told of one event; made with it, and sent later by the worker `send_notices`."""

    dossier = models.ForeignKey(Dossier, on_delete=models.CASCADE, related_name="notices")
    event = models.OneToOneField(StatusEvent, on_delete=models.CASCADE, related_name="notice")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    side = models.CharField(max_length=20, blank=True)

    class Meta:
        indexes = [models.Index(fields=["id"], condition=models.Q(sent_at=None), name="notice_unsent")]


def upload_path(attachment, filename):
    """Return the place of a new upload: a folder a filing, so that equal names never meet."""
    reference = str(attachment.dossier.client_ref)
    return f"ho-so/{reference[:2]}/{reference}/{filename}"


class Attachment(models.Model):
    """A file of a dossier, with what its content was when it came."""

    dossier = models.ForeignKey(Dossier, on_delete=models.CASCADE, related_name="attachments")
    file = models.FileField(upload_to=upload_path, max_length=500)
    name = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    uploaded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]


class Payment(models.Model):
    """A payment of a dossier's fee; settled by the reconciliation job, never by the page."""

    dossier = models.ForeignKey(Dossier, on_delete=models.CASCADE, related_name="payments")
    client_ref = models.UUIDField(db_index=True)
    amount = models.IntegerField()
    reference = models.CharField(max_length=40)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["id"]


class Receipt(models.Model):
    """A signed receipt, kept as a large object."""

    dossier = models.OneToOneField(Dossier, on_delete=models.CASCADE, related_name="receipt")
    content = LargeObjectField()
    sha256 = models.CharField(max_length=64)
    signed_at = models.DateTimeField()


class Reconciliation(models.Model):
    """One run of the reconciliation job: the evidence of where it ran last."""

    at = models.DateTimeField(default=timezone.now)
    host = models.CharField(max_length=100)
    settled = models.IntegerField()
