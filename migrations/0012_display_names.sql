-- What people call it, and what its objects at the engine are called: neither changes with the other, nor with a move to another
-- project. Two deployments may add up to the same slug (`a-b`/`c` and `a`/`b-c`): the younger one's gets its number.
alter table project add column display_name text;
alter table deployment add column display_name text;
alter table deployment add column slug text;
update deployment set slug = (select name from project where id = project_id) || '-' || name;
update deployment set slug = slug || '_' || id where id not in (select min(id) from deployment group by slug);
create unique index deployment_slug on deployment (slug);
