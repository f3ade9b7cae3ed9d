-- Bytes of the image or the tree of files that a component became.
alter table release_component add column size_bytes integer check (size_bytes >= 0);
create index release_component_by_digest on release_component (digest) where digest is not null;
