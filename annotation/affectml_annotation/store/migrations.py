"""The numbered migrations that make and change a store's tables.

Number n is the n-th entry of `MIGRATIONS`. A released entry never changes, whatever becomes of the tables in `schema`:
it says in SQL of its own what it makes. A change of the tables is a new entry that alters them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store.schema import now_ms, schema_version

# As version 0.1.0 wrote it. In braces is what the two engines call a column that numbers its rows itself.
SCHEMA_1 = """
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
)
"""
APPEND_ONLY = {
    "sqlite": tuple(
        f"CREATE TRIGGER event_no_{deed.lower()} BEFORE {deed} ON event "
        "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        for deed in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$",
        "CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON event "
        "FOR EACH ROW EXECUTE FUNCTION event_is_append_only()",
    ),
}


def _schema_1(connection: sa.Connection) -> None:
    dialect = connection.dialect.name
    small, large = ("SERIAL", "BIGSERIAL") if dialect == "postgresql" else ("INTEGER", "INTEGER")
    for statement in (*SCHEMA_1.format(small=small, large=large).split(";"), *APPEND_ONLY[dialect]):
        connection.exec_driver_sql(statement)


Migration = Callable[[sa.Connection], None]
MIGRATIONS: tuple[Migration, ...] = (_schema_1,)


def version_of(connection: sa.Connection) -> int:
    """The newest migration that a database has had; 0 for one without a store."""
    if not sa.inspect(connection).has_table("schema_version"):
        return 0
    return connection.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0


def migrate(
    begin: Callable[[], AbstractContextManager[sa.Connection]], migrations: Sequence[Migration] = MIGRATIONS
) -> int:
    """Bring a database to the newest version, each migration in a transaction of its own; return the version.

    Raises StoreError for a database from a newer version of this package.
    """
    while True:
        with begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two programs may open a new database at once.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7235812)")
            version = version_of(connection)
            if version > len(migrations):
                raise StoreError(
                    f"this database has schema {version}, newer than the {len(migrations)} that this version "
                    "of affectml knows; upgrade affectml (nothing was changed)"
                )
            if version == len(migrations):
                return version
            migrations[version](connection)
            connection.execute(schema_version.insert().values(version=version + 1, applied_at=now_ms()))
