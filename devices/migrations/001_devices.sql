-- A device id is unique in the installation: a charger's URL and an MQTT client id carry no discom.
create table device (
  discom text not null,
  device_id text not null unique,
  protocol text not null,
  organisation_id text not null,
  resource_id text not null,
  -- HMAC-SHA256 of the secret under a pepper that is not in the database. The secret itself is stored nowhere.
  secret_digest bytea not null,
  provisioned_at_ms bigint not null,
  connected_at_ms bigint,
  seen_at_ms bigint,
  vendor text not null default '',
  model text not null default '',
  primary key (discom, device_id)
);

-- What devices shall do, and how far the pursuit of it has come.
create table instruction (
  discom text not null,
  device_id text not null,
  instruction_id text not null,
  event_id text not null,
  resource_id text not null,
  start_ms bigint not null,
  end_ms bigint not null,
  direction text not null,
  level integer not null,
  max_power_w bigint,
  setpoint_delta_c double precision not null,
  random_start_s integer not null,
  random_end_s integer not null,
  expires_at_ms bigint not null,
  slot integer not null,
  outcome text,
  proof smallint not null default 0,
  reason text not null default '',
  attempts integer not null default 0,
  sent_at_ms bigint,
  release text,
  before_w integer,
  closed boolean not null default false,
  primary key (discom, device_id, instruction_id),
  foreign key (discom, device_id) references device (discom, device_id)
);
create index instruction_open on instruction (discom, device_id) where not closed;
create index instruction_by_id on instruction (discom, instruction_id);

-- Charging sessions. The id is ours, a positive int32; the natural key makes a repeated start the same session.
create table charging_session (
  transaction_id integer generated always as identity primary key,
  discom text not null,
  device_id text not null,
  connector_id integer not null,
  id_tag text not null,
  meter_start_wh bigint not null,
  started_at_ms bigint not null,
  meter_stop_wh bigint,
  stopped_at_ms bigint,
  stop_reason text,
  unique (discom, device_id, connector_id, id_tag, meter_start_wh, started_at_ms)
);
create index charging_session_open on charging_session (discom, device_id) where stopped_at_ms is null;

-- The frames money or proof may rest on, as they came: sessions, meter values, profiles and their answers.
create table ocpp_frame (
  frame_id bigint generated always as identity primary key,
  discom text not null,
  device_id text not null,
  at_ms bigint not null,
  sent boolean not null,
  action text not null,
  frame text not null
);
create index ocpp_frame_by_device on ocpp_frame (discom, device_id, at_ms);
