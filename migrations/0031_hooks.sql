-- How git hosts and CIs tell a project of pushes. The secret signs deliveries, so it must be opened; the deploy token is only compared.
create table hook (
  project_id    integer primary key references project(id) on delete cascade,
  secret_sealed blob,
  secret_at     integer,
  token_hash    blob,
  token_at      integer,
  token_used_at integer
) strict;

-- What was delivered, and what became of it. A row that waits is intent: it is decided after a crash, too.
create table delivery (
  id            integer primary key,
  project_id    integer not null references project(id) on delete cascade,
  at            integer not null,
  provider      text not null,
  -- The provider's own name of it: one that comes again is not done again.
  key           text,
  state         text not null check (state in ('waiting', 'done', 'refused')),
  happening     text,
  reason        text,
  decisions     text not null default '[]',
  redelivery_of integer,
  decided_at    integer
) strict;
create unique index delivery_key on delivery (project_id, provider, key) where key is not null;
create index delivery_of_project on delivery (project_id, id);
create index delivery_waiting on delivery (project_id) where state = 'waiting';

-- What makes releases of a deployment by itself, and watch paths in place of the manifest's.
alter table deployment add column deploy_on text not null default '{"kind":"push"}';
alter table deployment add column watch text;
