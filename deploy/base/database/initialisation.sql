-- Dagster's own database, beside ours. The image runs this once, on an empty volume, as POSTGRES_USER; on a volume
-- that is already there: kubectl exec postgres-0 -- createdb dagster (docs/operations/install.md, step 8).
CREATE DATABASE dagster;
