-- One row per immutable version. `terms` is the canonical JSON that `digest` is the SHA-256 of: later fields of the protos cannot change it.
create table programme (
  discom text not null,
  programme_id text collate "C" not null,
  version integer not null check (version > 0),
  name text not null,
  preset text not null,
  terms text not null,
  digest text not null,
  published_at_ms bigint not null,
  valid_from_ms bigint not null,
  primary key (discom, programme_id, version)
);

-- A new version replaces the whole calendar; old ones stay, since statements name them.
create table calendar (
  discom text not null,
  calendar_id text collate "C" not null,
  version integer not null check (version > 0),
  days jsonb not null,
  primary key (discom, calendar_id, version)
);
