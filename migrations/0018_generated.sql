-- Pieces of variables that were made at random, as a package's or a manifest's `${generate-random-password:16}` asks: once per
-- deployment, so that every release of it, and a rollback, has the same; rotation replaces them.
create table generated (
  deployment_id integer not null references deployment(id) on delete cascade,
  identifier    text not null,
  key           text not null,
  pieces_sealed blob not null,
  created_at    integer not null,
  primary key (deployment_id, identifier, key)
) strict;
