-- A settlement that was put back to a backup hears of measured shards before it opens their run again: what the fact said of the whole
-- run waits with the shard.
alter table run_shard add column shards integer, add column core_sha256 text;
