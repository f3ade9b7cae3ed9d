-- Variables that several deployments share: of the instance (project null), of a project, of a project's deployments of a stage.
create table shared_var (
  id           integer primary key,
  project_id   integer references project(id) on delete cascade,
  stage        text,
  key          text not null,
  value_sealed blob not null,
  secret       integer not null,
  updated_at   integer not null,
  check (stage is null or project_id is not null)
) strict;
create unique index shared_var_key on shared_var (coalesce(project_id, 0), coalesce(stage, ''), key);
