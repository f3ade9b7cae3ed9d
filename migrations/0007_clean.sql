-- A project that is being removed: it goes once the last of its deployments is gone.
alter table project add column deleted_at integer;
