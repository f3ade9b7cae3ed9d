-- Which live release a release took over from: it goes back to it where the edge cannot route to the new one.
alter table release add column replaces integer references release(id) on delete set null;
