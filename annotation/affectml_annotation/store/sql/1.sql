-- As version 0.1.0 wrote it. In braces is what the two engines call a column that numbers its rows itself.
CREATE TABLE schema_version (version {small} NOT NULL, applied_at BIGINT, PRIMARY KEY (version));

CREATE TABLE setting ("key" VARCHAR NOT NULL, value JSON NOT NULL, PRIMARY KEY ("key"));

CREATE TABLE image (
    position INTEGER NOT NULL, image_id VARCHAR NOT NULL, file VARCHAR, stratum VARCHAR, priority FLOAT,
    queue_rank INTEGER, PRIMARY KEY (position), UNIQUE (image_id)
);

CREATE TABLE round (
    number INTEGER NOT NULL, purpose VARCHAR NOT NULL, "of" INTEGER, opened_at BIGINT NOT NULL, PRIMARY KEY (number)
);

CREATE TABLE annotator (
    annotator_id VARCHAR NOT NULL, number INTEGER NOT NULL, invited_at BIGINT NOT NULL, attributes JSON,
    chip_order JSON NOT NULL, consented_at BIGINT, withdrawn_at BIGINT, PRIMARY KEY (annotator_id), UNIQUE (number)
);

CREATE TABLE slot (
    round INTEGER NOT NULL, position INTEGER NOT NULL, wanted INTEGER NOT NULL, taken INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (round, position), CONSTRAINT slot_taken_not_negative CHECK (taken >= 0),
    FOREIGN KEY(round) REFERENCES round (number), FOREIGN KEY(position) REFERENCES image (position)
);

CREATE TABLE assignment (
    annotator_id VARCHAR NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL, place INTEGER NOT NULL,
    purpose VARCHAR NOT NULL, suggestions_visible BOOLEAN NOT NULL, holds_slot BOOLEAN NOT NULL,
    claimed_at BIGINT NOT NULL, lease_until BIGINT NOT NULL, answered_at BIGINT,
    PRIMARY KEY (annotator_id, round, position), CONSTRAINT assignment_place UNIQUE (annotator_id, place),
    FOREIGN KEY(annotator_id) REFERENCES annotator (annotator_id), FOREIGN KEY(round) REFERENCES round (number),
    FOREIGN KEY(position) REFERENCES image (position)
);

CREATE INDEX assignment_open ON assignment (lease_until) WHERE answered_at IS NULL;

CREATE INDEX assignment_by_image ON assignment (round, position);

CREATE TABLE event (
    number {large} NOT NULL, event_id VARCHAR NOT NULL, image_id VARCHAR NOT NULL, annotator_id VARCHAR NOT NULL,
    round INTEGER NOT NULL, kind VARCHAR NOT NULL, labels JSON NOT NULL, intensities JSON, valence FLOAT, arousal FLOAT,
    note VARCHAR, suggestions_visible BOOLEAN NOT NULL, seconds FLOAT, at BIGINT NOT NULL, received_at BIGINT NOT NULL,
    base_revision INTEGER NOT NULL, status VARCHAR NOT NULL, revision INTEGER NOT NULL, context JSON, source VARCHAR,
    PRIMARY KEY (number), UNIQUE (event_id)
);

CREATE INDEX event_by_time ON event (received_at);

CREATE TABLE answer (
    annotator_id VARCHAR NOT NULL, round INTEGER NOT NULL, image_id VARCHAR NOT NULL, event_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL, surplus BOOLEAN NOT NULL, PRIMARY KEY (annotator_id, round, image_id),
    FOREIGN KEY(event_id) REFERENCES event (event_id)
);

CREATE TABLE "conflict" (
    event_id VARCHAR NOT NULL, against VARCHAR NOT NULL, resolved_at BIGINT, resolved_by VARCHAR, kept BOOLEAN,
    PRIMARY KEY (event_id), FOREIGN KEY(event_id) REFERENCES event (event_id),
    FOREIGN KEY(against) REFERENCES event (event_id)
);

CREATE TABLE draft (
    annotator_id VARCHAR NOT NULL, round INTEGER NOT NULL, image_id VARCHAR NOT NULL, content JSON NOT NULL,
    saved_at BIGINT NOT NULL, PRIMARY KEY (annotator_id, round, image_id)
);

CREATE TABLE attention_check (
    position INTEGER NOT NULL, accepted JSON NOT NULL, forbidden JSON NOT NULL, PRIMARY KEY (position),
    FOREIGN KEY(position) REFERENCES image (position)
);

CREATE TABLE decision (
    number {large} NOT NULL, image_id VARCHAR NOT NULL, labels JSON NOT NULL, decided_by VARCHAR NOT NULL, note VARCHAR,
    at BIGINT NOT NULL, PRIMARY KEY (number)
);

CREATE TABLE imported (
    sha256 VARCHAR NOT NULL, name VARCHAR NOT NULL, rows INTEGER NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (sha256)
);
