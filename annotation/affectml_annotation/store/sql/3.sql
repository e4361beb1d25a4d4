-- The language that somebody chose for the page, and those in which they agreed to a study and gave an answer.
ALTER TABLE annotator ADD COLUMN language VARCHAR;

ALTER TABLE event ADD COLUMN language VARCHAR;

ALTER TABLE visit ADD COLUMN language VARCHAR;
