-- An organisation sees readings by consent, not by having registered something behind the meter.
drop table resource;
drop table settlement_point;

-- READINGS consents as the gate reads them.
create table consent (
  discom text not null,
  consent_id text not null,
  connection_id text not null,
  consent jsonb not null,
  primary key (discom, consent_id)
);
create index consent_of_connection on consent (discom, connection_id);

-- Organisations with an enrolment behind a connection: a consent given to the DISCOM reaches whoever runs the programme for it there.
create table enrolled (
  discom text not null,
  connection_id text not null,
  programme_id text not null,
  organisation_id text not null,
  primary key (discom, connection_id, programme_id, organisation_id)
);

-- Every time an organisation opened readings, or was refused: who, whose, which intervals.
create table reading_use (
  use_id bigint generated always as identity primary key,
  discom text not null,
  at_ms bigint not null,
  subject text not null,
  organisation_id text not null,
  meter_id text not null,
  from_ms bigint not null,
  to_ms bigint not null,
  consent_ids text[] not null
);
create index reading_use_of_meter on reading_use (discom, meter_id, at_ms);
