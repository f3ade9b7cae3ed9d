-- What an image or a tree of files was built from, as one digest: the same is not built twice.
alter table release_component add column made_from text;
-- Whoever asked for it wants every step of its builds done anew.
alter table release add column no_cache integer not null default 0 check (no_cache in (0, 1));
