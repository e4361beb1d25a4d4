DROP TRIGGER event_no_delete;

CREATE TRIGGER event_no_delete BEFORE DELETE ON event WHEN NOT EXISTS (SELECT 1 FROM erasing WHERE annotator_id = OLD.annotator_id) BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
