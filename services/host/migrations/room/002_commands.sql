-- First outcomes: a command id is unique within its organisation; the same id with other content is refused.
create table command (
  discom text not null,
  organisation text not null,
  command_id text not null,
  verb text not null,
  digest bytea not null,
  outcome jsonb not null,
  primary key (discom, organisation, command_id)
);
