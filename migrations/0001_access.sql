-- Who may do what. Secrets of sessions and tokens are stored as SHA-256 hashes: a stolen file opens no door.
create table setting (
  key   text primary key,
  value text not null
) strict;

create table user (
  id            integer primary key,
  name          text not null unique collate nocase,
  role          text not null check (role in ('viewer', 'member', 'admin')),
  password_hash text not null,
  created_at    integer not null
) strict;

create table session (
  id           integer primary key,
  user_id      integer not null references user(id) on delete cascade,
  secret_hash  blob not null unique,
  created_at   integer not null,
  expires_at   integer not null
) strict;

create table token (
  id           integer primary key,
  user_id      integer not null references user(id) on delete cascade,
  name         text not null,
  scope        text not null check (scope in ('read', 'deploy', 'admin')),
  secret_hash  blob not null unique,
  created_at   integer not null,
  expires_at   integer not null,
  last_used_at integer
) strict;
