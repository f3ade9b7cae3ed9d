-- Ports of this host that lead to an add-on, and the networks that may use them.
create table public_port (
  id            integer primary key,
  deployment_id integer not null references deployment(id) on delete cascade,
  identifier    text not null,
  port          integer not null unique check (port between 1 and 65535),
  allow         text not null check (json_valid(allow)),
  created_at    integer not null,
  unique (deployment_id, identifier)
) strict;
