-- What happened and who did it, written in the transaction of the change. Names, not ids: history outlives rows.
create table event (
  id         integer primary key autoincrement,
  at         integer not null,
  actor      text not null,
  kind       text not null,
  project    text,
  deployment text,
  release    integer,
  message    text not null
) strict;
create index event_project on event (project, id);
