-- Facts this room has published. A row without position is committed (or not) but not yet numbered; the relay numbers committed
-- rows 1, 2, 3 …, so that a late commit gets a later number and no follower ever skips it.
create table outbox (
  row_id bigint generated always as identity primary key,
  position bigint unique,
  discom text not null,
  key text not null,
  at_ms bigint not null,
  kind text not null,
  fact bytea not null
);
create index outbox_unnumbered on outbox (row_id) where position is null;

create table relay (
  only_row boolean primary key default true check (only_row),
  last_position bigint not null
);
insert into relay (last_position) values (0);

-- How far this room has read in another room's facts: moved in the transaction of the work itself.
create table cursor (
  upstream text primary key,
  position bigint not null
);
