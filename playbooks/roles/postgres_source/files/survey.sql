-- Everything that a plan must know of one database, as one JSON object; it takes no lock that anybody could notice.
BEGIN READ ONLY;
SET LOCAL search_path = pg_catalog;
SELECT json_build_object(
    'name', d.datname,
    'owner', pg_get_userbyid(d.datdba),
    'server_version', current_setting('server_version'),
    'server_version_number', current_setting('server_version_num')::int,
    'encoding', pg_encoding_to_char(d.encoding),
    'collation', d.datcollate,
    'ctype', d.datctype,
    'size_bytes', pg_database_size(d.oid),
    'wal_level', current_setting('wal_level'),
    'max_replication_slots', current_setting('max_replication_slots')::int,
    'replication_slots_used', (SELECT count(*) FROM pg_replication_slots),
    'max_wal_senders', current_setting('max_wal_senders')::int,
    'extensions', (SELECT coalesce(json_object_agg(extname, extversion), '{}') FROM pg_extension),
    'tables', (
        SELECT coalesce(json_agg(json_build_object(
            'schema_name', n.nspname,
            'name', c.relname,
            'rows_estimate', greatest(c.reltuples, 0)::bigint,
            'size_bytes', pg_total_relation_size(c.oid),
            'has_primary_key', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
            'replica_identity', c.relreplident
        ) ORDER BY n.nspname, c.relname), '[]')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'dcshift') AND n.nspname NOT LIKE 'pg\_%'
          AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
    ),
    'sequences', (
        SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND n.nspname NOT IN ('dcshift') AND c.relpersistence <> 't'
    ),
    'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
    'materialised_views', (SELECT count(*) FROM pg_class WHERE relkind = 'm'),
    'prepared_transactions', (SELECT count(*) FROM pg_prepared_xacts WHERE database = d.datname),
    'longest_transaction_seconds', (
        SELECT coalesce(round(extract(epoch FROM max(clock_timestamp() - xact_start))::numeric, 3), 0)
        FROM pg_stat_activity WHERE datname = d.datname AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    )
)
FROM pg_database d WHERE d.datname = current_database();
COMMIT;
