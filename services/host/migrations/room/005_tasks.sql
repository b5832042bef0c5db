-- Work offered to all instances of this room and not done yet. Whoever holds a task is believed until `until` (wall time of the
-- database); the truth about what is left is in the room's own tables, this only spreads it.
create table task (
  queue text not null,
  task text not null,
  holder text,
  until timestamptz,
  primary key (queue, task)
);
