-- How long a deployment runs before it stops by itself, and who may wake it then.
alter table deployment add column lifetime_ms integer;
alter table deployment add column expires_at integer;
alter table deployment add column wake text not null default 'owner' check (wake in ('owner', 'visitors'));
