-- What "try again now" may not overstep: the failures that a CA allows, and the rest that it asked for.
alter table acme_order add column spent_until  integer not null default 0;
alter table acme_order add column barred_until integer not null default 0;
