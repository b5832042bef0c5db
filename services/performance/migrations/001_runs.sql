-- What other rooms have said, dated, as known at each instant: a run reads it as of its cut-off.
create table meter (
  discom text not null,
  meter_id text not null,
  from_ms bigint not null,
  known_at_ms bigint not null,
  to_ms bigint,
  connection_id text not null,
  parent_meter_id text not null,
  has_export boolean not null,
  interval_minutes integer not null,
  zone text not null,
  shard bigint not null,
  ordinal bigint not null,
  primary key (discom, meter_id, from_ms, known_at_ms)
);
create index meter_by_connection on meter (discom, connection_id);

create table connection (
  discom text not null,
  connection_id text not null,
  from_ms bigint not null,
  known_at_ms bigint not null,
  to_ms bigint,
  participant_id text not null,
  primary key (discom, connection_id, from_ms, known_at_ms)
);

create table settlement_point (
  discom text not null,
  settlement_point_id text not null,
  connection_id text not null,
  sub_meter_id text not null,
  primary key (discom, settlement_point_id)
);

create table consent (
  discom text not null,
  consent_id text not null,
  connection_id text not null,
  terms jsonb not null,
  withdrawn_at_ms bigint,
  primary key (discom, consent_id)
);
create index consent_by_connection on consent (discom, connection_id);

create table calendar (
  discom text not null,
  calendar_id text not null,
  version integer not null,
  known_at_ms bigint not null,
  days jsonb not null,
  primary key (discom, calendar_id, version)
);

create table committed_event (
  discom text not null,
  event_id text not null,
  shards bigint[] not null,
  primary key (discom, event_id)
);

-- One measurement of one event as known at a cut-off.
create table run (
  discom text not null,
  run_id text not null,
  event_id text not null,
  as_of_ms bigint not null,
  window_start_ms bigint not null,
  window_end_ms bigint not null,
  asked_by text not null,
  opened_at_ms bigint not null,
  measured_at_ms bigint,
  interval_minutes integer,
  -- Why it is still open, and when it is tried again.
  error text,
  attempts integer not null default 0,
  retry_at_ms bigint not null,
  primary key (discom, run_id)
);
create index run_open on run (retry_at_ms) where measured_at_ms is null;
create index run_by_event on run (discom, event_id, as_of_ms);

create table run_shard (
  discom text not null,
  run_id text not null,
  shard bigint not null,
  path text not null,
  digest text not null,
  points integer not null,
  core_sha256 text not null,
  primary key (discom, run_id, shard)
);

-- Sums for the curves: one row per organisation, so that each sees its own portfolio without opening a file.
create table curve (
  discom text not null,
  run_id text not null,
  shard bigint not null,
  organisation_id text not null,
  sums jsonb not null,
  primary key (discom, run_id, shard, organisation_id)
);

-- Every time a window of readings was opened, or refused: who, for what, whose.
create table reading_use (
  discom text not null,
  run_id text not null,
  event_id text not null,
  settlement_point_id text not null,
  connection_id text not null,
  participant_id text not null,
  consent_id text not null,
  subject text not null,
  purpose text not null,
  outcome text not null,
  from_day text not null,
  to_day text not null,
  at_ms bigint not null,
  primary key (discom, run_id, settlement_point_id)
);
