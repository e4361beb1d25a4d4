-- The language that somebody chose for the page, and the one in which they gave an answer.
ALTER TABLE annotator ADD COLUMN language VARCHAR;

ALTER TABLE event ADD COLUMN language VARCHAR;
