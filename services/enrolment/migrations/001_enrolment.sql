-- Learned from catalogue and registry by their facts; never asked back for.
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
-- A row per state of a connection; the newest that has begun and not ended holds.
create table connection (
  discom text not null,
  connection_id text not null,
  from_ms bigint not null,
  to_ms bigint,
  participant_id text not null,
  area_id text not null,
  tariff_category text not null,
  sanctioned_load_w bigint not null,
  protected boolean not null,
  primary key (discom, connection_id, from_ms)
);
create table settlement_point (
  discom text not null,
  settlement_point_id text not null,
  connection_id text not null,
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
  primary key (discom, resource_id, from_ms)
);

create table consent (
  discom text not null,
  consent_id text not null,
  participant_id text not null,
  connection_id text not null,
  organisation_id text not null,
  purpose text not null check (purpose in ('CONTROL', 'READINGS', 'BILLING')),
  programme_id text not null,
  resource_ids text[] not null,
  readings_from_day text not null,
  given_at_ms bigint not null,
  expires_at_ms bigint,
  withdrawn_at_ms bigint,
  withdrawn_reason text,
  -- Of the newest fact committed once the withdrawal was: followers past it have heard of it. Null until it is known.
  withdrawn_position bigint,
  basis text not null check (basis in ('CONSENT', 'CONTRACT', 'REGULATION')),
  evidence_kind text not null,
  evidence_reference text not null,
  evidence_digest text not null,
  primary key (discom, consent_id)
);
create index consent_of_connection on consent (discom, connection_id);

-- One resource in one programme, from–to.
create table enrolment (
  discom text not null,
  enrolment_id text not null,
  programme_id text not null,
  terms_version integer not null,
  direction text not null,
  resource_id text not null,
  kind text not null,
  connection_id text not null,
  participant_id text not null,
  settlement_point_id text not null,
  organisation_id text not null,
  backup text not null,
  from_ms bigint not null,
  to_ms bigint,
  end_reason text,
  primary key (discom, enrolment_id)
);
create index enrolment_of_connection on enrolment (discom, connection_id);
create index enrolment_of_programme on enrolment (discom, programme_id, enrolment_id);
