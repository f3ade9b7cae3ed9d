-- Commands in components, by hand. `argv` is JSON with known secrets masked; `ending` is how it ended, as JSON.
create table run (
  id            integer primary key,
  deployment_id integer not null references deployment(id) on delete cascade,
  number        integer not null,
  component     text not null,
  argv          text not null,
  fresh         integer not null,
  attached      integer not null,
  actor         text not null,
  limit_ms      integer not null,
  wanted_at     integer not null,
  started_at    integer,
  ended_at      integer,
  ending        text,
  -- What it has at the engine, recorded before it is made, until it is gone: a container of its own, or a process in another one.
  container     text,
  process       text,
  unique (deployment_id, number)
) strict;
create index run_unfinished on run (id) where ended_at is null or container is not null or process is not null;
