-- In which format a run's statements are made (statement.ts): they stay what they were when they were signed. Runs from before this
-- was kept are of format 1.
alter table run add column format integer not null default 1;
