"""Relations between dossiers and the catalogue."""

from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("procedures", "0001_models"),
        ("dossiers", "0002_models"),
    ]

    operations = [
        migrations.AddField(
            model_name="dossier",
            name="procedure",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="dossiers", to="procedures.procedurepage"
            ),
        ),
        migrations.AddField(
            model_name="attachment",
            name="dossier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="attachments", to="dossiers.dossier"
            ),
        ),
        migrations.AddIndex(
            model_name="dossier",
            index=models.Index(fields=["status", "submitted_at"], name="dossier_status_time"),
        ),
    ]
