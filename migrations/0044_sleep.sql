-- Whether a deployment falls asleep when nobody comes (JSON; as its manifest says where null), since when it sleeps, and when it was woken
-- last. Its intent is to run all the while.
alter table deployment add column sleep text;
alter table deployment add column asleep_at integer;
alter table deployment add column woken_at integer;
