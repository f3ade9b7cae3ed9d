-- Backups of deployments' data. The row comes before the first file and outlives a failure; the files are in a folder of the row's id,
-- so no id is ever given twice.
create table data_backup (
  id            integer primary key autoincrement,
  deployment_id integer not null references deployment(id) on delete cascade,
  state         text not null check (state in ('waiting', 'running', 'done', 'failed')),
  by_policy     integer not null check (by_policy in (0, 1)),
  actor         text not null,
  -- The number of the release that was live.
  release       integer,
  bytes         integer not null default 0,
  paused_ms     integer,
  parts         text not null default '[]',
  problem       text,
  created_at    integer not null,
  finished_at   integer
) strict;
create index data_backup_of on data_backup (deployment_id, id);
create unique index data_backup_open on data_backup (deployment_id) where state in ('waiting', 'running');

-- What is restored, and into which deployment; from `replacing` on its data is neither the old nor the new one until it is done. `ran`
-- says that it is to be started again then.
create table data_restore (
  id          integer primary key autoincrement,
  backup_id   integer not null references data_backup(id) on delete cascade,
  target_id   integer not null references deployment(id) on delete cascade,
  state       text not null check (state in ('waiting', 'preparing', 'replacing', 'done', 'failed')),
  ran         integer not null default 0 check (ran in (0, 1)),
  bytes       integer not null default 0,
  actor       text not null,
  problem     text,
  created_at  integer not null,
  finished_at integer
) strict;
create index data_restore_of on data_restore (backup_id, id);
create unique index data_restore_open on data_restore (target_id) where state in ('waiting', 'preparing', 'replacing');
