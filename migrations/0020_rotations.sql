-- Credentials of add-ons that were rotated. They win over what the package says, in every release from then on: a rollback
-- must not return to a password that the server refuses.
create table addon_credential (
  deployment_id integer not null references deployment(id) on delete cascade,
  identifier    text not null,
  key           text not null,
  value_sealed  blob not null,
  updated_at    integer not null,
  primary key (deployment_id, identifier, key)
) strict, without rowid;

-- The journal of rotations: a process that dies goes on where the state says. Both values are kept until the end.
create table rotation (
  id             integer primary key,
  deployment_id  integer not null references deployment(id) on delete cascade,
  identifier     text not null,
  state          text not null check (state in ('begin', 'wire', 'end', 'done', 'failed')),
  old_sealed     blob,
  new_sealed     blob,
  release_number integer,
  -- When the container was started in which both are valid; a later start forgets what is only in memory.
  begun_start    integer,
  problem        text,
  actor          text not null,
  started_at     integer not null,
  finished_at    integer
) strict;
create unique index rotation_open on rotation (deployment_id, identifier) where finished_at is null;
