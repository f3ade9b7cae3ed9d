-- Ready images whose registry is asked now and then for a newer one. `newer_*` is what was seen last; `tried` was made a release of by
-- itself, and is not again.
create table image_watch (
  deployment_id integer not null references deployment(id) on delete cascade,
  identifier    text not null,
  policy        text not null,
  action        text not null,
  interval_ms   integer not null,
  looked_at     integer,
  -- The release that was live then: another one is looked at anew.
  looked_for    integer,
  next_at       integer not null default 0,
  tries         integer not null default 0,
  problem       text,
  newer_from    text,
  newer_to      text,
  newer_at      integer,
  tried         text,
  release_id    integer references release(id) on delete set null,
  primary key (deployment_id, identifier)
) strict;
create index image_watch_release on image_watch (release_id);
