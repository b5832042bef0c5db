-- Processes that run this room, and until when (wall time of the database) the others must believe that they live.
create table gateway (
  gateway_id text primary key,
  until timestamptz not null
);

-- Devices are divided into 64 parts (part.ts), for ever. One gateway at a time pursues what is wanted of the devices of a part: its
-- transactions name the epoch, which grows with every change of holder.
create table part (
  part int primary key,
  holder text,
  epoch bigint not null default 0
);
insert into part (part) select generate_series(0, 63);

-- Grows with every login, at whichever gateway: of two sockets of one device the later one is the device.
alter table device add column logins bigint not null default 0;

-- What the pepper makes of a known text: a gateway with another pepper would refuse every device.
create table pepper (
  id boolean primary key default true check (id),
  proof bytea not null
);
