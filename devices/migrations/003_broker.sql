-- What an external broker needs to let the device in: a salted hash of its secret. Empty for devices made before this was kept.
alter table device add column broker_password text not null default '';
-- Grows with every provisioning: who keeps the broker's files looks here whether they are still right.
alter table device add column provisioning bigint generated always as identity;
create index device_by_provisioning on device (provisioning);
