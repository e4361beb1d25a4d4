-- Studies, and the one way in which events leave: an erasure names the person in `erasing` while it works.
CREATE TABLE content_warning (
    position INTEGER NOT NULL, text VARCHAR NOT NULL, PRIMARY KEY (position),
    FOREIGN KEY(position) REFERENCES image (position)
);

CREATE TABLE study_version (
    number INTEGER NOT NULL, content JSON NOT NULL, texts JSON NOT NULL, affectml VARCHAR NOT NULL, at BIGINT NOT NULL,
    PRIMARY KEY (number)
);

CREATE TABLE study_text (sha256 VARCHAR NOT NULL, content VARCHAR NOT NULL, PRIMARY KEY (sha256));

CREATE TABLE study_tally (name VARCHAR NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (name));

CREATE TABLE visit (
    annotator_id VARCHAR NOT NULL, version INTEGER NOT NULL, phase VARCHAR NOT NULL, status VARCHAR,
    entered_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, place_until BIGINT NOT NULL, hold_ms BIGINT NOT NULL,
    active_ms BIGINT NOT NULL, images INTEGER NOT NULL, failed_checks_end INTEGER, ended_at BIGINT, paid_at BIGINT,
    PRIMARY KEY (annotator_id), FOREIGN KEY(annotator_id) REFERENCES annotator (annotator_id),
    FOREIGN KEY(version) REFERENCES study_version (number)
);

CREATE INDEX visit_open ON visit (place_until) WHERE status IS NULL;

CREATE TABLE visit_step (
    annotator_id VARCHAR NOT NULL, phase VARCHAR NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (annotator_id, phase),
    FOREIGN KEY(annotator_id) REFERENCES visit (annotator_id)
);

CREATE TABLE panel (
    annotator_id VARCHAR NOT NULL, person VARCHAR NOT NULL, session VARCHAR, PRIMARY KEY (annotator_id),
    FOREIGN KEY(annotator_id) REFERENCES visit (annotator_id), UNIQUE (person)
);

CREATE TABLE device (
    annotator_id VARCHAR NOT NULL, digest VARCHAR NOT NULL, PRIMARY KEY (annotator_id, digest),
    FOREIGN KEY(annotator_id) REFERENCES visit (annotator_id)
);

CREATE TABLE questionnaire (
    annotator_id VARCHAR NOT NULL, question VARCHAR NOT NULL, value JSON NOT NULL, at BIGINT NOT NULL,
    PRIMARY KEY (annotator_id, question), FOREIGN KEY(annotator_id) REFERENCES visit (annotator_id)
);

CREATE TABLE practice (
    number {large} NOT NULL, annotator_id VARCHAR NOT NULL, image_id VARCHAR NOT NULL, labels JSON NOT NULL,
    passed BOOLEAN NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (number),
    FOREIGN KEY(annotator_id) REFERENCES visit (annotator_id)
);

CREATE INDEX practice_by_person ON practice (annotator_id);

CREATE TABLE study_link (
    number INTEGER NOT NULL, made_at BIGINT NOT NULL, ends_at BIGINT NOT NULL, revoked_at BIGINT, PRIMARY KEY (number)
);

CREATE TABLE owed (
    number {large} NOT NULL, person VARCHAR NOT NULL, session VARCHAR, status VARCHAR NOT NULL, amount INTEGER NOT NULL,
    by_panel INTEGER NOT NULL, currency VARCHAR NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (number)
);

CREATE TABLE erasure_request (annotator_id VARCHAR NOT NULL, asked_at BIGINT NOT NULL, PRIMARY KEY (annotator_id));

CREATE TABLE erasing (annotator_id VARCHAR NOT NULL, PRIMARY KEY (annotator_id));

CREATE TABLE erasure (
    number {large} NOT NULL, at BIGINT NOT NULL, answers INTEGER NOT NULL, annotator VARCHAR NOT NULL, person VARCHAR,
    cleaned_at BIGINT, PRIMARY KEY (number)
);

CREATE TABLE secret (name VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY (name));

CREATE TABLE lead_change (
    number {large} NOT NULL, "by" VARCHAR NOT NULL, what JSON NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (number)
);
