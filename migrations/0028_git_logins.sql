-- How the server signs in at a project's https remote: for that host alone, whatever the source becomes later.
create table git_login (
  project_id   integer primary key references project(id) on delete cascade,
  origin       text not null,
  login_sealed blob not null,
  updated_at   integer not null
) strict;
