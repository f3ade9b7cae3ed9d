-- A clone begins with the credentials that are in its volumes, which are the source's; once it runs, those of its add-ons are
-- replaced, once. Clones of before keep what they have.
alter table clone add column renewed_at integer;
update clone set renewed_at = created_at;
