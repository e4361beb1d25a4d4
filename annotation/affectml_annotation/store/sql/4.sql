-- What somebody's first answer to an image needs for its assignment to be made anew from the log; empty on others.
ALTER TABLE event ADD COLUMN place INTEGER;

ALTER TABLE event ADD COLUMN purpose VARCHAR;

ALTER TABLE event ADD COLUMN holds_slot BOOLEAN;

ALTER TABLE event ADD COLUMN claimed_at BIGINT;
