-- Why a shard could not be measured, by the attempt of its run: each instance that does shards writes it, the one with the duty reads it.
create table shard_failure (
  discom text not null,
  run_id text not null,
  shard bigint not null,
  attempt integer not null,
  reason text not null,
  primary key (discom, run_id, shard, attempt)
);
