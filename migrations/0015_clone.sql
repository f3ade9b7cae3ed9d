-- How a deployment came about as a clone, and how far that is: its volumes are filled before its first release starts. The names
-- of the source are kept as they were: it may be gone one day.
create table clone (
  id            integer primary key,
  target_id     integer not null unique references deployment(id) on delete cascade,
  source_id     integer references deployment(id) on delete set null,
  project       text not null,
  source        text not null,
  -- Whose stack and images it begins with.
  release_id    integer references release(id) on delete set null,
  state         text not null check (state in ('copying', 'done', 'failed', 'cancelled')),
  cancel_wanted integer not null default 0 check (cancel_wanted in (0, 1)),
  bytes         integer not null default 0,
  paused_ms     integer,
  problem       text,
  actor         text not null,
  created_at    integer not null,
  finished_at   integer
) strict;
create index clone_unfinished on clone (id) where state = 'copying';
