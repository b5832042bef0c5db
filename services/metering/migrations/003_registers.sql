-- Of registers that devices read out, what is remembered of each interval of their meter's grid (registers.ts).
create table register_span (
  discom text not null,
  meter_id text not null,
  start_ms bigint not null,
  first_at_ms bigint not null,
  first_wh bigint not null,
  last_at_ms bigint not null,
  last_wh bigint not null,
  broken boolean not null,
  primary key (discom, meter_id, start_ms)
);
create index register_span_by_time on register_span (start_ms);

create index meter_of_device on meter (discom, source) where source like 'device:%';
