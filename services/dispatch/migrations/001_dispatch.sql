-- Learned from catalogue, registry and enrolment by their facts; never asked back for.
create table programme (
  discom text not null,
  programme_id text not null,
  version integer not null,
  valid_from_ms bigint not null,
  programme jsonb not null,
  primary key (discom, programme_id, version)
);
create table area (
  discom text not null,
  area_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  parent_id text not null,
  primary key (discom, area_id, from_ms)
);
create table connection (
  discom text not null,
  connection_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  participant_id text not null,
  area_id text not null,
  protected boolean not null,
  primary key (discom, connection_id, from_ms)
);
create table meter (
  discom text not null,
  meter_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  connection_id text not null,
  parent_meter_id text not null,
  shard integer not null,
  primary key (discom, meter_id, from_ms)
);
create index meter_of_connection on meter (discom, connection_id);
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
  kind text not null,
  rated_w bigint not null,
  device_id text not null,
  max_minutes_per_day integer not null,
  max_setpoint_delta_c double precision not null,
  min_power_w bigint not null,
  primary key (discom, resource_id, from_ms)
);
create table consent (
  discom text not null,
  consent_id text not null,
  connection_id text not null,
  consent jsonb not null, -- as the gate reads it
  primary key (discom, consent_id)
);
create index consent_of_connection on consent (discom, connection_id);
create table enrolment (
  discom text not null,
  enrolment_id text not null,
  programme_id text not null,
  resource_id text not null,
  settlement_point_id text not null,
  connection_id text not null,
  participant_id text not null,
  organisation_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  primary key (discom, enrolment_id)
);
create index enrolment_of_programme on enrolment (discom, programme_id);
create index enrolment_of_connection on enrolment (discom, connection_id);

create table event (
  discom text not null,
  event_id text not null,
  programme_id text not null,
  terms_version integer not null,
  state text not null check (state in ('SCHEDULED', 'COMMITTED', 'ACTIVE', 'ENDED', 'CANCELLED')),
  zone text not null,
  direction text not null check (direction in ('SHED', 'ABSORB')),
  interval_minutes integer not null,
  start_ms bigint not null,
  end_ms bigint not null,
  planned_start_ms bigint not null,
  planned_end_ms bigint not null,
  target_w bigint[] not null,
  area_ids text[] not null,
  reason text not null,
  test boolean not null,
  scheduled_at_ms bigint not null,
  gate_closure_ms bigint not null,
  notice_at_ms bigint not null,
  issue_at_ms bigint not null,
  -- What is done of what falls due; all that is due at an instant is found from here after a kill.
  notified boolean not null default false,
  issued boolean not null default false,
  committed_at_ms bigint,
  commitment_digest text not null default '',
  canonical text not null default '',
  passed_over jsonb not null default '{}',
  primary key (discom, event_id)
);
create index event_open on event (state) where state in ('SCHEDULED', 'COMMITTED', 'ACTIVE');
create index event_of_programme on event (discom, programme_id, start_ms);

-- The cohort, chosen and held out, frozen at gate closure.
create table member (
  discom text not null,
  event_id text not null,
  settlement_point_id text not null,
  shard integer not null,
  member jsonb not null,
  primary key (discom, event_id, settlement_point_id)
);

create table instruction (
  discom text not null,
  event_id text not null,
  instruction_id text not null,
  resource_id text not null,
  settlement_point_id text not null,
  connection_id text not null,
  participant_id text not null,
  organisation_id text not null,
  programme_id text not null,
  device_id text not null,
  kind text not null,
  area_id text not null,
  shard integer not null,
  state text not null,
  proof integer not null default 0,
  proof_source integer not null default 0,
  expected_w bigint not null,
  reference_w bigint,
  notified_at_ms bigint,
  issued_at_ms bigint,
  changed_at_ms bigint not null,
  reason text not null default '',
  start_ms bigint not null,
  end_ms bigint not null,
  -- To the devices room: null = nothing to say; else what it has not yet taken.
  errand text check (errand in ('apply', 'release')),
  primary key (discom, instruction_id)
);
create index instruction_of_event on instruction (discom, event_id, instruction_id);
create index instruction_of_point on instruction (discom, settlement_point_id, start_ms);
create index instruction_of_resource on instruction (discom, resource_id, start_ms);
create index instruction_of_participant on instruction (discom, participant_id);
create index instruction_of_connection on instruction (discom, connection_id, end_ms);
create index instruction_errand on instruction (discom, event_id) where errand is not null;
