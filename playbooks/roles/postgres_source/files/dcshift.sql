-- What the migration needs inside one source database: marker, turn, and a fence that survives a restart.
-- It never reads or changes a row of the application.
--
-- Run as superuser in the database that moves, after the role exists:
--   psql -X -v ON_ERROR_STOP=1 -v role=ROLE -v owner=OWNER -d DATABASE -f dcshift.sql
-- May be run again at any time; it keeps a fence that is closed. dcshift_remove.sql is its way back.

SET client_min_messages = warning;
BEGIN;

-- A member of the owner may publish the tables, lock them for a moment and read them; nothing beyond the owner's rights.
GRANT :"owner" TO :"role";
-- Large objects are invisible to logical decoding: which of them changed is read from their pages.
GRANT SELECT ON pg_catalog.pg_largeobject TO :"role";

CREATE SCHEMA IF NOT EXISTS dcshift;
REVOKE ALL ON SCHEMA dcshift FROM PUBLIC;
GRANT USAGE ON SCHEMA dcshift TO :"role";

CREATE TABLE IF NOT EXISTS dcshift.settings (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    migration_role name NOT NULL,
    turn bigint NOT NULL DEFAULT 0,
    fenced_at timestamptz
);
INSERT INTO dcshift.settings (migration_role) VALUES (:'role')
    ON CONFLICT (only_one) DO UPDATE SET migration_role = excluded.migration_role;

-- Who might connect before the fence closed.
CREATE TABLE IF NOT EXISTS dcshift.connect_before (
    grantee oid PRIMARY KEY,
    grantable boolean NOT NULL
);

-- The migration role's own table, so that it can publish it: a row whose arrival on the target proves that every
-- earlier commit arrived.
CREATE TABLE IF NOT EXISTS dcshift.marker (
    id integer PRIMARY KEY CHECK (id = 1),
    value bigint NOT NULL,
    at timestamptz NOT NULL
);
ALTER TABLE dcshift.marker OWNER TO :"role";
INSERT INTO dcshift.marker VALUES (1, 0, now()) ON CONFLICT DO NOTHING;

-- What a table without a key had as its replica identity before it was published; put back at the end.
CREATE TABLE IF NOT EXISTS dcshift.identity_before (
    schema_name name NOT NULL,
    table_name name NOT NULL,
    identity "char" NOT NULL,
    index_name name,
    PRIMARY KEY (schema_name, table_name)
);
ALTER TABLE dcshift.identity_before OWNER TO :"role";

CREATE OR REPLACE FUNCTION dcshift.take_turn(token bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    highest bigint;
BEGIN
    -- The row lock makes two orchestrators wait for each other; the later turn wins for good.
    SELECT turn INTO highest FROM dcshift.settings FOR UPDATE;
    IF token < highest THEN
        RAISE EXCEPTION 'turn % is over: turn % has begun', token, highest USING ERRCODE = '55006';
    END IF;
    UPDATE dcshift.settings SET turn = token WHERE turn < token;
    RETURN highest;
END $$;

-- Closing is a transaction of its own: only sessions that began before it can be there afterwards, and `expel` ends them.
CREATE OR REPLACE FUNCTION dcshift.fence(token bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    database name := current_database();
    one record;
BEGIN
    PERFORM dcshift.take_turn(token);
    IF (SELECT fenced_at FROM dcshift.settings) IS NULL THEN
        DELETE FROM dcshift.connect_before;
        INSERT INTO dcshift.connect_before
            SELECT acl.grantee, bool_or(acl.is_grantable)
            FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) acl
            WHERE d.datname = database AND acl.privilege_type = 'CONNECT' GROUP BY acl.grantee;
        UPDATE dcshift.settings SET fenced_at = clock_timestamp();
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', database, (SELECT migration_role FROM dcshift.settings));
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC CASCADE', database);
    FOR one IN
        SELECT r.rolname FROM dcshift.connect_before b JOIN pg_roles r ON r.oid = b.grantee
        WHERE r.rolname <> (SELECT migration_role FROM dcshift.settings)
    LOOP
        EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %I CASCADE', database, one.rolname);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION dcshift.unfence(token bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    database name := current_database();
    one record;
BEGIN
    PERFORM dcshift.take_turn(token);
    IF (SELECT fenced_at FROM dcshift.settings) IS NULL THEN
        RETURN;
    END IF;
    FOR one IN
        SELECT CASE WHEN b.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS grantee, b.grantable
        FROM dcshift.connect_before b LEFT JOIN pg_roles r ON r.oid = b.grantee
        WHERE b.grantee = 0 OR r.oid IS NOT NULL
    LOOP
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %s', database, one.grantee)
            || CASE WHEN one.grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
    SELECT r.oid, r.rolname INTO one FROM dcshift.settings s JOIN pg_roles r ON r.rolname = s.migration_role;
    IF NOT EXISTS (SELECT FROM dcshift.connect_before WHERE grantee = one.oid) THEN
        EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %I', database, one.rolname);
    END IF;
    DELETE FROM dcshift.connect_before;
    UPDATE dcshift.settings SET fenced_at = NULL;
END $$;

-- Sessions of this database that are not the migration's; superusers too, as no privilege keeps them out.
CREATE OR REPLACE FUNCTION dcshift.others() RETURNS TABLE (pid integer, who name, program text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.pid, coalesce(a.usename, ''), a.application_name
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
        AND a.usename IS DISTINCT FROM (SELECT migration_role FROM dcshift.settings)
$$;

CREATE OR REPLACE FUNCTION dcshift.expel(token bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM dcshift.take_turn(token);
    IF (SELECT fenced_at FROM dcshift.settings) IS NULL THEN
        RAISE EXCEPTION 'the fence is open: sessions would come back' USING ERRCODE = '55000';
    END IF;
    RETURN (SELECT count(*) FILTER (WHERE pg_terminate_backend(o.pid)) FROM dcshift.others() o);
END $$;

CREATE OR REPLACE FUNCTION dcshift.fence_state() RETURNS TABLE (fenced_at timestamptz, open_to text[])
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.fenced_at, array(
        SELECT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(acl.grantee)::text END
        FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) acl
        WHERE d.datname = current_database() AND acl.privilege_type = 'CONNECT'
            AND pg_get_userbyid(acl.grantee) IS DISTINCT FROM s.migration_role)
    FROM dcshift.settings s
$$;

-- How busy the server is: sessions of others that are at work in any of its databases, and its replica that is furthest
-- behind. It counts; what others do, and whose they are, stays unseen.
CREATE OR REPLACE FUNCTION dcshift.source_load()
    RETURNS TABLE (at_work bigint, replica text, replica_lag_bytes bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT busy.at_work, behind.name, behind.bytes
    FROM (
        SELECT count(*) AS at_work FROM pg_stat_activity a
        WHERE a.backend_type = 'client backend' AND a.state IN ('active', 'fastpath function call')
            AND a.usename IS DISTINCT FROM (SELECT migration_role FROM dcshift.settings)
    ) busy
    LEFT JOIN (
        SELECT coalesce(nullif(r.application_name, ''), 'process ' || r.pid) AS name,
            -- A receiver that applies nothing says how far it has written.
            pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(r.replay_lsn, r.flush_lsn, r.write_lsn))::bigint AS bytes
        FROM pg_stat_replication r
        WHERE r.usename IS DISTINCT FROM (SELECT migration_role FROM dcshift.settings)
        ORDER BY 2 DESC NULLS LAST LIMIT 1
    ) behind ON true
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dcshift FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dcshift TO :"role";
COMMIT;
