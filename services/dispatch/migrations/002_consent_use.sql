-- Every time the gate was asked where a notice or an instruction was written: whose consent carried it, or why not.
create table consent_use (
  discom text not null,
  instruction_id text not null,
  act text not null check (act in ('notice', 'issue')),
  event_id text not null,
  resource_id text not null,
  connection_id text not null,
  participant_id text not null,
  purpose text not null,
  consent_id text not null,
  outcome text not null,
  at_ms bigint not null,
  primary key (discom, instruction_id, act)
);
create index consent_use_of_consent on consent_use (discom, consent_id);
