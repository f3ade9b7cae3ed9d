-- The newest release that is on its way is looked for with each look at a deployment: not among all that it ever had.
create index release_pending on release (deployment_id, number) where state in ('queued', 'building', 'starting');
