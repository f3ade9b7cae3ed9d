-- When a release is rolled back by itself (JSON; as usual where null), and why that was done with one.
alter table deployment add column auto_rollback text;
alter table release add column rolled_back text;
