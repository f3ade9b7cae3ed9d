-- A project that is being deleted keeps its row until its last deployment is gone from the engine and the disk.
alter table project add column deleted_at integer;
