-- With what a project tells its git host how releases go. The token is for that address alone.
create table commit_status_login (
  project_id   integer primary key references project(id) on delete cascade,
  provider     text not null,
  api          text not null,
  token_sealed blob not null,
  since        integer not null
) strict;

-- What the host was told last of each release. What it should know follows from the release: the difference is what is to be posted.
create table commit_status (
  release_id integer primary key references release(id) on delete cascade,
  posted     text,
  posted_at  integer,
  tries      integer not null default 0,
  next_at    integer not null default 0,
  problem    text
) strict;
