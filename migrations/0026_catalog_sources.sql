-- Sources of packages besides those in the binary, with what was fetched of each last; and packages that releases fetched by their own
-- address, so that a plan knows them.
create table catalog_source (
  id           integer primary key,
  name         text not null unique,
  location     text not null check (json_valid(location)),
  commit_sha   text,
  wanted_at    integer not null,
  tried_for    integer not null default 0,
  refreshed_at integer,
  problem      text
) strict;

create table catalog_package (
  source_id  integer not null references catalog_source(id) on delete cascade,
  identifier text not null unique,
  entry      text not null check (json_valid(entry))
) strict;
create index catalog_package_source on catalog_package (source_id);

create table fetched_package (
  url        text primary key,
  commit_sha text,
  package    text not null check (json_valid(package)),
  fetched_at integer not null
) strict;
