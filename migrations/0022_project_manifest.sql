-- The manifest and the files that a project keeps for a source that has no manifest of its own.
create table project_manifest (
  project_id integer primary key references project(id) on delete cascade,
  manifest   text not null,
  files      text not null check (json_valid(files)),
  updated_at integer not null,
  updated_by text not null
) strict;
