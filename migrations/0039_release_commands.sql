-- Commands of releases, once for each: `argv` is JSON, `run` the number of the run that does it or did it last, `ending` how it ended, as JSON.
create table release_command (
  release_id integer not null references release(id) on delete cascade,
  moment     text not null check (moment in ('before', 'after')),
  position   integer not null,
  component  text not null,
  argv       text not null,
  limit_ms   integer not null,
  run        integer,
  ending     text,
  primary key (release_id, moment, position)
) strict, without rowid;

-- A run that does one of them.
alter table run add column release_id integer references release(id) on delete cascade;
alter table run add column moment text;
create index run_release on run (release_id) where release_id is not null;
