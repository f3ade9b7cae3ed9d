-- The next release fills the code volumes of a deployment in development anew.
alter table deployment add column code_reset_at integer;
