-- Commands that run again and again. `next_at` is when one is due; none while it is paused. What is `of_manifest` comes and goes with
-- the live release.
create table schedule (
  id            integer primary key,
  deployment_id integer not null references deployment(id) on delete cascade,
  name          text not null,
  component     text not null,
  argv          text not null,
  cron          text not null,
  zone          text not null,
  fresh         integer,
  overlap       text not null,
  limit_ms      integer not null,
  catch_up      integer not null,
  paused        integer not null default 0,
  next_at       integer,
  of_manifest   integer not null default 0,
  unique (deployment_id, name)
) strict;
create index schedule_next on schedule (next_at) where next_at is not null;

-- The schedule that a run is of, by name: its runs outlive it. `due_at` is when it was due; none where somebody asked for it. One that
-- waits begins once those before it of its schedule have ended.
alter table run add column schedule text;
alter table run add column due_at integer;
alter table run add column waits integer not null default 0;
create index run_of_schedule on run (deployment_id, schedule, number);
