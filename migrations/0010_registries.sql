-- Logins at image registries, for pulls and for base images of builds.
create table registry_login (
  host            text primary key,
  username        text not null,
  password_sealed blob not null,
  updated_at      integer not null
) strict;

-- Names of images that were not on this machine before a release pulled them. They stay while a kept release names them, so
-- that it can be deployed again without the registry; then they go.
create table pulled_image (
  reference text primary key,
  pulled_at integer not null
) strict;
