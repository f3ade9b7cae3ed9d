-- Releases that deployments of the project can be rolled back to; as the instance says where null.
alter table project add column keep_releases integer check (keep_releases between 1 and 1000);
