-- A component may have several containers: `replica` counts them from 1, and is 0 for the only one.
create table replicated_container (
  id                integer primary key,
  release_id        integer not null references release(id) on delete cascade,
  identifier        text not null,
  replica           integer not null default 0,
  name              text not null unique,
  restart_wanted_at integer,
  unique (release_id, identifier, replica)
) strict;
insert into replicated_container (id, release_id, identifier, name, restart_wanted_at)
  select id, release_id, identifier, name, restart_wanted_at from container;
drop table container;
alter table replicated_container rename to container;

-- How many containers a deployment has of a component; what the manifest says where null.
alter table deployment_resources add column replicas integer check (replicas > 0);

-- The one of several in which it was asked to run.
alter table run add column replica integer;
