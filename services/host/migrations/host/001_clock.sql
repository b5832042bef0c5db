-- Where stepped domain time stands: a restarted process goes on at the same instant.
create table clock (
  only_row boolean primary key default true check (only_row),
  now_ms bigint not null
);
