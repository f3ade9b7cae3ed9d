-- Somebody asked for a restart then. It is done once the container was started later than that: nothing has to be undone.
alter table container add column restart_wanted_at integer;
