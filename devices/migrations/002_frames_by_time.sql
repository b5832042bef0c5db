-- Old frames are dropped by time.
create index ocpp_frame_by_time on ocpp_frame (at_ms);
