"""Tables of dossiers and what belongs to them."""

from django.conf import settings
import django.contrib.postgres.fields
from django.db import migrations, models
import django.db.models.deletion
import django.utils.timezone
import dossiers.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("dossiers", "0001_types"),
    ]

    operations = [
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file", models.FileField(max_length=500, upload_to=dossiers.models.upload_path)),
                ("name", models.CharField(max_length=300)),
                ("sha256", models.CharField(max_length=64)),
                ("size", models.BigIntegerField()),
                ("uploaded_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Dossier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=20, unique=True)),
                ("client_ref", models.UUIDField(db_index=True)),
                ("applicant_name", models.CharField(max_length=200)),
                ("applicant_phone", dossiers.models.PhoneField(max_length=20)),
                ("applicant_email", models.CharField(blank=True, max_length=200)),
                ("address", models.CharField(max_length=300)),
                ("form", models.JSONField(default=dict)),
                (
                    "tags",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                (
                    "status",
                    dossiers.models.StatusField(
                        choices=[
                            ("received", "Đã tiếp nhận"),
                            ("processing", "Đang xử lý"),
                            ("addition", "Yêu cầu bổ sung"),
                            ("finished", "Đã có kết quả"),
                            ("returned", "Đã trả kết quả"),
                            ("refused", "Từ chối"),
                        ],
                        default="received",
                        max_length=20,
                    ),
                ),
                ("fee", models.IntegerField(default=0)),
                ("postal_return", models.BooleanField(default=False)),
                ("submitted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("host", models.CharField(max_length=100)),
                ("settled", models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="StatusEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    dossiers.models.StatusField(
                        choices=[
                            ("received", "Đã tiếp nhận"),
                            ("processing", "Đang xử lý"),
                            ("addition", "Yêu cầu bổ sung"),
                            ("finished", "Đã có kết quả"),
                            ("returned", "Đã trả kết quả"),
                            ("refused", "Từ chối"),
                        ],
                        max_length=20,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=300)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "dossier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="dossiers.dossier"
                    ),
                ),
                (
                    "officer",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["at", "id"],
            },
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("content", dossiers.models.LargeObjectField()),
                ("sha256", models.CharField(max_length=64)),
                ("signed_at", models.DateTimeField()),
                (
                    "dossier",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="receipt", to="dossiers.dossier"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("client_ref", models.UUIDField(db_index=True)),
                ("amount", models.IntegerField()),
                ("reference", models.CharField(max_length=40)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("settled_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                (
                    "dossier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="payments", to="dossiers.dossier"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
    ]
