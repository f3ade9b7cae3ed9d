-- Certificates and the state of getting them. Keys are sealed; a row that cannot be opened hurts only its own host.
create table certificate (
  name       text primary key,
  source     text not null check (source in ('acme', 'internal')),
  chain_pem  text not null,
  key_sealed blob not null,
  issuer     text not null,
  not_before integer not null,
  not_after  integer not null,
  created_at integer not null
) strict;

create table acme_account (
  directory  text primary key,
  key_sealed blob not null,
  created_at integer not null
) strict;

-- Back-off survives restarts: a crash loop must not burn a CA's failure budget.
create table acme_order (
  name       text primary key,
  failures   integer not null default 0,
  next_at    integer not null default 0,
  problem    text
) strict;

create table internal_ca (
  id         integer primary key check (id = 1),
  cert_pem   text not null,
  key_sealed blob not null,
  created_at integer not null
) strict;
