-- What was spoken to the upstream, and what translation into it changed or dropped.
ALTER TABLE request ADD COLUMN upstream_protocol TEXT;
ALTER TABLE request ADD COLUMN warnings TEXT;
