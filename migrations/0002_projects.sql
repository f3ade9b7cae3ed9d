-- What the user wants: projects, their deployments, variables and public hosts.
create table project (
  id                  integer primary key,
  name                text not null unique,
  source              text not null check (json_valid(source)),
  deploy_key_public   text,
  deploy_key_sealed   blob,
  created_at          integer not null
) strict;

create table deployment (
  id         integer primary key,
  project_id integer not null references project(id),
  name       text not null,
  stage      text not null check (stage in ('development', 'staging', 'production', 'preview')),
  intent     text not null check (intent in ('running', 'stopped', 'deleted')),
  branch     text,
  created_at integer not null,
  unique (project_id, name)
) strict;

create table env_var (
  id            integer primary key,
  deployment_id integer not null references deployment(id) on delete cascade,
  component     text not null default '',
  key           text not null,
  value_sealed  blob not null,
  secret        integer not null check (secret in (0, 1)),
  updated_at    integer not null,
  unique (deployment_id, component, key)
) strict;

-- A host is one name and path prefix; two deployments can never claim the same.
create table host (
  id            integer primary key,
  deployment_id integer not null references deployment(id) on delete cascade,
  component     text not null,
  name          text not null,
  path          text not null default '/',
  tls           text not null check (tls in ('acme', 'internal', 'off')),
  generated     integer not null check (generated in (0, 1)),
  created_at    integer not null,
  unique (name, path)
) strict;
create index host_deployment on host (deployment_id);
