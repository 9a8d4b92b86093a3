"""What the tables have beyond Django: a generated column, a trigram index, a log without a key, statistics."""

from django.db import migrations

FORWARD = """
ALTER TABLE dossiers_dossier ALTER COLUMN number SET DEFAULT next_dossier_number();
ALTER TABLE dossiers_dossier ADD COLUMN search_text text
    GENERATED ALWAYS AS (lower(number || ' ' || applicant_name || ' ' || address)) STORED;
CREATE INDEX dossier_search_trgm ON dossiers_dossier USING gin (search_text gin_trgm_ops);
CREATE INDEX dossier_tags ON dossiers_dossier USING gin (tags);

-- A log as old systems have it: no key, grows by inserts, and now and then a row is marked.
CREATE TABLE access_log (
    at timestamptz NOT NULL,
    action text NOT NULL,
    number varchar(20) NOT NULL,
    detail jsonb NOT NULL,
    reviewed boolean NOT NULL
);
CREATE INDEX access_log_unreviewed ON access_log (action) WHERE NOT reviewed;

CREATE MATERIALIZED VIEW dossier_statistics AS
    SELECT s.name AS sector, d.status, count(*) AS dossiers
    FROM dossiers_dossier d
    JOIN procedures_procedurepage p ON p.page_ptr_id = d.procedure_id
    JOIN procedures_sector s ON s.id = p.sector_id
    GROUP BY s.name, d.status;
CREATE UNIQUE INDEX dossier_statistics_key ON dossier_statistics (sector, status);
"""

BACKWARD = """
DROP MATERIALIZED VIEW dossier_statistics;
DROP TABLE access_log;
DROP INDEX dossier_tags;
DROP INDEX dossier_search_trgm;
ALTER TABLE dossiers_dossier DROP COLUMN search_text;
ALTER TABLE dossiers_dossier ALTER COLUMN number DROP DEFAULT;
"""


class Migration(migrations.Migration):
    dependencies = [("dossiers", "0003_relations"), ("procedures", "0001_models")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
