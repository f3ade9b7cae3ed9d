-- The port of the container that a host leads to, where the manifest gives its hosts different ones; the component's where null.
alter table host add column port integer check (port between 1 and 65535);
