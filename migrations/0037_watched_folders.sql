-- Folders of this host that deployments follow. `released` is the digest of the files that a release was last made of; `sent` are the
-- digests of the files that the code of a deployment in development was brought to, by path.
create table watched_folder (
  deployment_id integer primary key references deployment(id) on delete cascade,
  path          text not null,
  set_at        integer not null,
  files         integer not null default 0,
  looked_at     integer,
  sent_at       integer,
  released      text,
  release_id    integer references release(id) on delete set null,
  sent          text not null default '{}' check (json_valid(sent)),
  problem       text
) strict;
create index watched_folder_release on watched_folder (release_id);
