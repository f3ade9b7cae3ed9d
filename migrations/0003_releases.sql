-- Releases: immutable attempts. `manifest` and `env_sealed` are what a rollback repeats without git or a registry.
create table release (
  id             integer primary key,
  deployment_id  integer not null references deployment(id) on delete cascade,
  number         integer not null,
  state          text not null check (state in ('queued', 'building', 'starting', 'live', 'retired', 'failed', 'cancelled')),
  stage          text,
  trigger        text not null check (json_valid(trigger)),
  actor          text not null,
  source         text not null check (json_valid(source)),
  reference      text,
  commit_json    text,
  upload         text,
  manifest       text check (manifest is null or json_valid(manifest)),
  env_sealed     blob,
  failure        text,
  cancelled      text,
  cancel_wanted  text,
  created_at     integer not null,
  finished_at    integer,
  -- Set when its images and files were cleaned away: no rollback to it.
  discarded_at   integer,
  unique (deployment_id, number)
) strict;
create unique index release_live on release (deployment_id) where state = 'live';
create index release_unfinished on release (state) where state in ('queued', 'building', 'starting');

create table release_stage (
  release_id  integer not null references release(id) on delete cascade,
  stage       text not null,
  started_at  integer not null,
  finished_at integer,
  primary key (release_id, stage)
) strict, without rowid;

-- What each component of the release became: an image by digest, or a tree of files by digest.
create table release_component (
  release_id integer not null references release(id) on delete cascade,
  identifier text not null,
  serves     text not null check (serves in ('container', 'files')),
  digest     text,
  port       integer,
  primary key (release_id, identifier)
) strict, without rowid;
