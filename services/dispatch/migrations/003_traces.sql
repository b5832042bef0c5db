-- What an event follows from (W3C Trace Context), while traces are kept: what falls due later joins that trace.
alter table event add column traceparent text not null default '';
