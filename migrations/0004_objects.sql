-- Every object that this instance makes at the engine is recorded before it is made.
-- Invariant: only what carries our label and stands here is ever removed.
create table network (
  id            integer primary key,
  deployment_id integer not null unique references deployment(id),
  name          text not null unique,
  subnet        text not null unique
) strict;

create table volume (
  id            integer primary key,
  deployment_id integer not null references deployment(id),
  identifier    text not null,
  name          text not null unique,
  created_at    integer not null,
  unique (deployment_id, identifier)
) strict;

create table container (
  id            integer primary key,
  release_id    integer not null references release(id) on delete cascade,
  identifier    text not null,
  name          text not null unique,
  unique (release_id, identifier)
) strict;

create table image (
  digest     text not null,
  release_id integer not null references release(id) on delete cascade,
  primary key (digest, release_id)
) strict, without rowid;
