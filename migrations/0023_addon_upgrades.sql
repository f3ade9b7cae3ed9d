-- A release that moves the data of an add-on to another volume: from this time to its end the components of the release before
-- it do not run, so that nothing is written which the copy would not have.
alter table release add column halts_at integer;
-- The release that a volume was made for: it goes with a release that does not come to life.
alter table volume add column made_for integer references release(id) on delete set null;
-- Why it is kept although nothing mounts it.
alter table volume add column kept_from text;
-- It is to go.
alter table volume add column remove_wanted_at integer;
