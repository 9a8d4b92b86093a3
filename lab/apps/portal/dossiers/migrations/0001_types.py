"""Types, sequence and function that the tables stand on."""

from django.db import migrations

FORWARD = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TYPE dossier_status AS ENUM
    ('received', 'processing', 'addition', 'finished', 'returned', 'refused');
CREATE DOMAIN phone_number AS varchar(20) CHECK (VALUE ~ '^[+]?[0-9]{8,14}$');
CREATE SEQUENCE dossier_number_seq;
CREATE FUNCTION next_dossier_number() RETURNS varchar
    LANGUAGE sql VOLATILE
    AS $$ SELECT 'KH-2026-' || lpad(nextval('public.dossier_number_seq')::text, 6, '0') $$;
"""

BACKWARD = """
DROP FUNCTION next_dossier_number();
DROP SEQUENCE dossier_number_seq;
DROP DOMAIN phone_number;
DROP TYPE dossier_status;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
