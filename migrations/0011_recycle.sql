-- What is deleted can be brought back until its period ends: until then it is stopped, nobody finds it by its name, and its
-- volumes, releases, variables and hosts stay. `ran` is what a restore returns to.
alter table project add column recycled_at integer;
alter table project add column recycled_until integer;
alter table deployment add column recycled_at integer;
alter table deployment add column recycled_until integer;
alter table deployment add column ran integer not null default 0 check (ran in (0, 1));
alter table deployment add column protected integer not null default 0 check (protected in (0, 1));
