-- A fold says in one base what all versions of its tile known up to its known_at come to: whoever asks as of then or later reads it and what
-- came after. `voided`: a version came later that was known before it, so it says too little. `speakers`: by ordinal, the version that last
-- spoke of the meter (u32, little-endian; 0 = none): hand-offs are theirs.
alter table tile add column fold boolean not null default false;
alter table tile add column voided boolean not null default false;
alter table tile add column speakers bytea;
-- When a room was last told of this version, and when its file was let go; the row stays.
alter table tile add column named_at_ms bigint;
alter table tile add column removed_at_ms bigint;
