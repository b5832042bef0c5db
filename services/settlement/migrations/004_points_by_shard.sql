-- A run is settled shard by shard.
create index run_point_by_shard on run_point (discom, run_id, shard);
