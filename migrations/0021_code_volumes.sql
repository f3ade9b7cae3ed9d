-- A volume with the code of a component in development is filled once; from then on it belongs to whoever edits it.
alter table volume add column filled_at integer;

-- Changes of code that are on their way there, in the order in which they were sent.
create table code_change (
  id            integer primary key,
  deployment_id integer not null references deployment(id) on delete cascade,
  upload        text,
  deleted       text not null check (json_valid(deleted)),
  problem       text,
  created_at    integer not null,
  finished_at   integer
) strict;
