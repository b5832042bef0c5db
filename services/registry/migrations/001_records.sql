-- Every noun of the registry as a timeline of dated states: [from_ms, to_ms), null = still holding. `body` is the record's protobuf
-- without dates, particulars and shard. parent and holder are what other queries walk along:
--   noun               parent             holder
--   areas              area above
--   connections        area               participant (occupant)
--   meters             connection         parent meter (sub-meters)
--   settlement_points  connection         sub-meter
--   resources          settlement point   organisation
create table record (
  discom text not null,
  noun text not null,
  id text collate "C" not null,
  from_ms bigint not null,
  to_ms bigint check (to_ms > from_ms),
  parent text collate "C" not null,
  holder text collate "C" not null,
  grid text not null, -- meters: interval and zone, `30 Asia/Kolkata`
  body bytea not null,
  primary key (discom, noun, id, from_ms)
);
create index record_parent on record (discom, noun, parent);
create index record_holder on record (discom, noun, holder) where holder <> '';

-- Where a meter's columns lie: given once, for ever. One shard never mixes grids.
create table shard (
  discom text not null,
  shard integer not null,
  grid text not null,
  used integer not null,
  primary key (discom, shard)
);
create table ordinal (
  discom text not null,
  meter_id text collate "C" not null,
  shard integer not null,
  ordinal integer not null,
  primary key (discom, meter_id),
  unique (discom, shard, ordinal)
);

-- The only place particulars are kept: sealed under a key of the person's own, itself wrapped by the folder's master key.
-- Erasing destroys both; the row stays so that nobody fills it again.
create table person (
  discom text not null,
  participant_id text collate "C" not null,
  wrapped_key bytea,
  particulars bytea,
  erased_at_ms bigint,
  primary key (discom, participant_id),
  check ((erased_at_ms is null) = (wrapped_key is not null))
);
create table person_audit (
  row_id bigint generated always as identity primary key,
  discom text not null,
  participant_id text not null,
  at_ms bigint not null,
  subject text not null,
  organisation text not null,
  purpose text not null
);
