-- What somebody's first answer to an image needs for its assignment to be made anew from the log; empty on others.
ALTER TABLE event ADD COLUMN place INTEGER;

ALTER TABLE event ADD COLUMN purpose VARCHAR;

ALTER TABLE event ADD COLUMN holds_slot BOOLEAN;

ALTER TABLE event ADD COLUMN claimed_at BIGINT;

-- By person, so that a correction and an erasure look through nobody else's; by event, which every event that leaves
-- asks the answers and conflicts for.
CREATE INDEX event_by_person ON event (annotator_id, round, image_id);

CREATE INDEX answer_by_event ON answer (event_id);

CREATE INDEX conflict_by_other ON "conflict" (against);

-- The images of a round that somebody holds.
CREATE INDEX assignment_held ON assignment (round, position) WHERE answered_at IS NULL;

-- The pace of a round, in which imports do not count; images that still want people, few as a round ends.
CREATE INDEX event_by_pace ON event (round, received_at) WHERE source IS NULL;

CREATE INDEX slot_open ON slot (round, position) WHERE taken < wanted;
