-- Another mark with every word of the registry: what is remembered of meters and connections holds while it stands.
create table places_mark (
  discom text primary key,
  mark uuid not null
);
insert into places_mark (discom, mark)
select discom, gen_random_uuid() from (select discom from meter union select discom from connection) as told;
