-- Meters whose readings a register of a device gives: the dated states of the registry that name one as their source.
create table metered_register (
  discom text not null,
  meter_id text not null,
  from_ms bigint not null,
  device_id text not null,
  register text not null,
  -- Grows with every change: other instances look here whether what they know still holds.
  change bigint generated always as identity,
  primary key (discom, meter_id, from_ms)
);

-- Values of those registers that metering has not yet on record, where no JetStream keeps them. Bounded (telemetry-store.ts).
create table telemetry (
  telemetry_id bigint generated always as identity primary key,
  discom text not null,
  device_id text not null,
  register text not null,
  at_ms bigint not null,
  wh bigint not null,
  received_at_ms bigint not null,
  unique (discom, device_id, register, at_ms)
);
