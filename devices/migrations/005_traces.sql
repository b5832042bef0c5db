-- What an instruction follows from (W3C Trace Context), while traces are kept: what its device is told and says joins that trace.
alter table instruction add column traceparent text not null default '';
