-- The partition of a fact (partition.ts), given with its position. What was numbered before gets its own here.
alter table outbox add column partition int;
update outbox set partition = get_byte(sha256(convert_to(key, 'UTF8')), 0) & 63 where position is not null;

-- From now on `cursor` is a low watermark: in every partition of `upstream`, this room has handled at least all up to `position`.

-- How far this room is in each partition, beyond the watermark, and which process may move it: the epoch grows with every change of
-- owner, and an owner's transaction names the epoch it was given.
create table fact_share (
  upstream text not null,
  partition int not null,
  position bigint not null,
  epoch bigint not null,
  owner text,
  primary key (upstream, partition)
);

-- Processes that run this room, and until when (wall time of the database) the others must believe that they live.
create table fact_owner (
  owner text primary key,
  until timestamptz not null
);

-- Facts a handler kept failing on, and what came behind them with the same key. `failed`: with its error, waits for a person;
-- `behind`: waits for the one before it; `again`: a person asked for it; `dropped`: a person gave it up, with a reason.
create table fact_parked (
  upstream text not null,
  position bigint not null,
  partition int not null,
  discom text not null,
  key text not null,
  kind text not null,
  fact bytea not null,
  state text not null check (state in ('failed', 'behind', 'again', 'dropped')),
  error text not null,
  attempts int not null,
  reason text not null default '',
  parked_at timestamptz not null default now(),
  primary key (upstream, position)
);
create index fact_parked_open on fact_parked (upstream, discom, key, position) where state <> 'dropped';
