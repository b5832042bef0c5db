-- What one leader numbered without a break is a stretch: it begins after a position and has a random id. By these ids a follower knows
-- an outbox that was put back to an earlier state (a backup, a standby that lagged) and went on from there with other facts.
-- `stretches`: [[id, after], …], oldest first; what was numbered before this was kept belongs to the one without an id.
alter table relay add column stretch text not null default '', add column stretches jsonb not null default '[["", "0"]]';

-- The stretches of the upstream room that lie behind what was handled here: `stretch` is the newest of them.
alter table cursor add column stretch text not null default '', add column stretches jsonb not null default '[["", "0"]]';

-- Where a person let this room go on with an upstream that had been put back: its facts after `agreed_to`, up to `handled_to`, stay
-- handled here though the upstream knows them no more.
create table rejoined (
  upstream text not null,
  agreed_to bigint not null,
  handled_to bigint not null,
  subject text not null,
  reason text not null,
  at timestamptz not null default now()
);
