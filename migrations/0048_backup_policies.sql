-- What the manifest of the live release says of backups, and when one is due next: none where the deployment is developed or a preview.
create table backup_policy (
  deployment_id integer primary key references deployment(id) on delete cascade,
  cron          text not null,
  zone          text not null,
  keep          integer not null check (keep > 0),
  next_at       integer
) strict;
create index backup_policy_next on backup_policy (next_at) where next_at is not null;
