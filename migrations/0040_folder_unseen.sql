-- The digests of the files that the release of a followed folder was made of, by path; and how many differ since that are in no image.
alter table watched_folder add column released_files text not null default '{}' check (json_valid(released_files));
alter table watched_folder add column unseen integer not null default 0 check (unseen >= 0);
