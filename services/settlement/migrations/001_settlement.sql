-- An event, from its commitment to its last run stage.
create table event (
  discom text not null,
  event_id text not null,
  programme_id text not null,
  terms_version integer not null,
  start_ms bigint not null,
  end_ms bigint not null,
  shards integer[] not null,
  points integer not null,
  committed_at_ms bigint not null,
  commitment_digest text not null,
  state text not null check (state in ('committed', 'ended', 'cancelled', 'finished')),
  -- From the commitment, fetched once the event has ended.
  notice_at_ms bigint not null default 0,
  terms text,
  terms_digest text not null default '',
  calendar text not null default '{}',
  -- The canonical JSON that commitment_digest is over.
  commitment text not null default '',
  -- Readings and supply from here to the end can change what is settled.
  first_day text not null default '',
  last_day text not null default '',
  first_ms bigint not null default 0,
  -- Newest known_at of anything that touches it; later than measured_as_of_ms = marked.
  touched_ms bigint not null default 0,
  measured_as_of_ms bigint not null default 0,
  stages_done integer not null default 0,
  due_at_ms bigint,
  version integer not null default 0,
  newest_run text,
  open_run text,
  primary key (discom, event_id)
);
create index event_due on event (due_at_ms) where state = 'ended' and open_run is null;

-- A run: open, its measuring asked for, settled. `equal`: it said nothing new and has no version.
create table run (
  discom text not null,
  run_id text not null,
  event_id text not null,
  version integer not null,
  stage text not null,
  stage_reached text not null,
  min_coverage_ppm integer not null,
  as_of_ms bigint not null,
  opened_at_ms bigint not null,
  closed_at_ms bigint,
  state text not null check (state in ('open', 'measuring', 'closed', 'equal')),
  supersedes text,
  shards integer,
  core_sha256 text not null default '',
  root text not null default '',
  root_jws text not null default '',
  points integer not null default 0,
  -- Figures of the run as its statements and GetRun show them.
  figures text not null default '{}',
  primary key (discom, run_id)
);
create index run_by_event on run (discom, event_id);

create table run_shard (
  discom text not null,
  run_id text not null,
  shard integer not null,
  digest text not null,
  taken boolean not null default false,
  primary key (discom, run_id, shard)
);

-- What was measured and what was settled of it: the inputs from which statements are made again, byte for byte.
create table run_point (
  discom text not null,
  run_id text not null,
  settlement_point_id text not null,
  shard integer not null,
  connection_id text not null,
  participant_id text not null,
  organisation_id text not null,
  billing_consent_id text not null,
  measured text not null,
  settled text,
  figures_digest text,
  net text,
  leaf bytea,
  primary key (discom, run_id, settlement_point_id)
);
create index run_point_by_connection on run_point (discom, connection_id);

-- Newest version only: a credit key exists once, whatever was retried.
create table credit (
  discom text not null,
  event_id text not null,
  settlement_point_id text not null,
  interval_start_ms bigint not null,
  run_id text not null,
  credited_wh bigint not null,
  primary key (discom, event_id, settlement_point_id, interval_start_ms)
);

create table posting (
  discom text not null,
  run_id text not null,
  account text not null,
  micros bigint not null,
  primary key (discom, run_id, account)
);

create table bill_line (
  discom text not null,
  run_id text not null,
  settlement_point_id text not null,
  connection_id text not null,
  participant_id text not null,
  cycle text not null,
  charge_code text not null,
  reference text not null,
  micros bigint not null,
  paise bigint not null,
  primary key (discom, run_id, settlement_point_id, connection_id, participant_id)
);
create index bill_line_by_cycle on bill_line (discom, cycle);

create table closed_cycle (
  discom text not null,
  cycle text not null,
  closed_at_ms bigint not null,
  primary key (discom, cycle)
);

create table statement (
  discom text not null,
  statement_id text not null,
  run_id text not null,
  event_id text not null,
  party_id text not null,
  party_kind text not null check (party_kind in ('PARTICIPANT', 'ORGANISATION', 'COUNTERPARTY')),
  settlement_point_id text not null,
  organisation_id text not null,
  amount_micros bigint not null,
  delivered_wh bigint not null,
  primary key (discom, statement_id)
);
create index statement_by_event on statement (discom, event_id);
create index statement_by_party on statement (discom, party_id);

create table log_entry (
  discom text not null,
  index bigint not null,
  kind text not null,
  subject text not null,
  digest text not null,
  at_ms bigint not null,
  previous text not null,
  hash text not null,
  primary key (discom, index),
  unique (discom, kind, subject)
);

-- What other rooms have said.
create table participant (
  discom text not null,
  participant_id text not null,
  kind text not null,
  primary key (discom, participant_id)
);
create table meter (
  discom text not null,
  meter_id text not null,
  connection_id text not null,
  from_ms bigint not null,
  known_at_ms bigint not null,
  to_ms bigint,
  parent_meter_id text not null,
  has_export boolean not null,
  interval_minutes integer not null,
  zone text not null,
  primary key (discom, meter_id, from_ms, known_at_ms)
);
create index meter_by_connection on meter (discom, connection_id);
create table calendar (
  discom text not null,
  calendar_id text not null,
  version integer not null,
  known_at_ms bigint not null,
  days text not null,
  primary key (discom, calendar_id, version)
);
