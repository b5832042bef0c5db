-- Up to where this room's facts were acknowledged by JetStream; null while there is none. Losing some of it costs work, not facts.
alter table relay add column carried bigint;
