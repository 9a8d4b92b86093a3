-- The way back of dcshift.sql: opens a closed fence, then removes everything that it made; run as superuser with the
-- same variables. It never drops the role, which the caller does once no database depends on it.

SET client_min_messages = warning;
BEGIN;
SELECT to_regprocedure('dcshift.unfence(bigint)') IS NOT NULL AS installed \gset
\if :installed
SELECT dcshift.unfence((SELECT turn FROM dcshift.settings));
\endif
DROP SCHEMA IF EXISTS dcshift CASCADE;
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS there \gset
\if :there
REVOKE SELECT ON pg_catalog.pg_largeobject FROM :"role";
REVOKE :"owner" FROM :"role";
\endif
COMMIT;
