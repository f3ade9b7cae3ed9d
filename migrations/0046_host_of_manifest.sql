-- Hosts that the manifest of the live release names come and go with it; those that somebody added stay.
alter table host add column of_manifest integer not null default 0 check (of_manifest in (0, 1));
