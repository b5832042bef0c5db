-- What the registry said, kept here so that this room never asks back. to_ms null = still holding.
create table meter (
  discom text not null,
  meter_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  connection_id text not null,
  shard int not null,
  ordinal int not null,
  zone text not null,
  interval_minutes int not null,
  factor int not null,
  has_import boolean not null,
  has_export boolean not null,
  parent_meter_id text not null,
  source text not null,
  primary key (discom, meter_id, from_ms)
);
create index meter_place on meter (discom, shard, ordinal);
create index meter_connection on meter (discom, connection_id);

create table connection (
  discom text not null,
  connection_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  participant_id text not null,
  area_id text not null,
  sanctioned_load_w bigint not null,
  primary key (discom, connection_id, from_ms)
);

create table area (
  discom text not null,
  area_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  parent_id text not null,
  primary key (discom, area_id, from_ms)
);

create table settlement_point (
  discom text not null,
  settlement_point_id text not null,
  connection_id text not null,
  sub_meter_id text not null,
  primary key (discom, settlement_point_id)
);

create table resource (
  discom text not null,
  resource_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  settlement_point_id text not null,
  organisation_id text not null,
  primary key (discom, resource_id, from_ms)
);
create index resource_point on resource (discom, settlement_point_id);

-- One version of one shard's day. Rows are only ever added: a correction is a new version with a later known_at.
create table tile (
  discom text not null,
  shard int not null,
  day text not null,
  interval_minutes int not null,
  day_start_ms bigint not null,
  version int not null,
  known_at_ms bigint not null,
  zone text not null,
  slots int not null,
  meters int not null,
  delta boolean not null,
  path text not null,
  digest text not null,
  merkle_root text not null,
  statements int not null,
  correction boolean not null,
  hand_off text not null,
  signer text not null,
  received_at_ms bigint not null,
  primary key (discom, shard, day, interval_minutes, day_start_ms, version)
);
create index tile_day on tile (discom, day);

-- Statements about supply, in order of arrival. Of those that overlap the one known later holds, then the one that arrived later.
create table supply (
  arrival bigint generated always as identity primary key,
  discom text not null,
  of_area boolean not null,
  place_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  state text not null,
  known_at_ms bigint not null,
  source text not null
);
create index supply_place on supply (discom, of_area, place_id);
