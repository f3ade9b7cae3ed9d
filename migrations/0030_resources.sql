-- Limits that a deployment has of its own for a component or add-on; what is null is what the manifest says.
create table deployment_resources (
  deployment_id integer not null references deployment(id) on delete cascade,
  identifier    text not null,
  memory_bytes  integer check (memory_bytes > 0),
  cpu_millis    integer check (cpu_millis > 0),
  primary key (deployment_id, identifier)
) strict;
