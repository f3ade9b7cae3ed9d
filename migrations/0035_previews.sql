-- What a project has previews of, as JSON; none where there is no row.
create table preview_settings (
  project_id integer primary key references project(id) on delete cascade,
  settings   text not null
) strict;

-- Deployments that came with a pull request or a branch, and go with it. One that was deleted and can be restored keeps its row.
create table preview (
  deployment_id integer primary key references deployment(id) on delete cascade,
  pull_request  integer,
  branch        text not null,
  -- The commit of the branch when it was looked at last: another one is looked at anew.
  head          text,
  ttl_ms        integer not null,
  pushed_at     integer not null,
  ends_at       integer not null
) strict;
