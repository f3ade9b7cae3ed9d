-- A release of several components has a network of its own, besides that of its deployment: there, and only there, its
-- components know each other by name, so that while two releases run, each reaches its own siblings and no other's.
create table network_new (
  id            integer primary key,
  deployment_id integer not null references deployment(id),
  -- Null for the deployment's own network.
  release_id    integer references release(id),
  name          text not null unique,
  subnet        text not null unique
) strict;
insert into network_new (id, deployment_id, name, subnet) select id, deployment_id, name, subnet from network;
drop table network;
alter table network_new rename to network;
create unique index network_of_deployment on network (deployment_id) where release_id is null;
create unique index network_of_release on network (release_id) where release_id is not null;
