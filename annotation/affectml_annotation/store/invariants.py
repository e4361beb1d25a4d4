"""What must hold in a label store's database: each invariant's name, its sentence, and SQL for the rows that break it.

Of those without SQL functions of `checking` find some; the rest are what `derived.differences` finds.
"""

INVARIANTS: dict[str, str] = {
    "file": "SQLite finds its file whole.",
    "backup": "A backup has the rows and digests that it says.",
    "schema": "All columns, indexes and triggers are there, those that keep the log append-only too, and no other "
    "trigger.",
    "keys": "Every row that another names is there.",
    "json": "What is stored as JSON is JSON.",
    "settings": "The settings can be read; checks and people's chips have the task's labels.",
    "positions": "Images are numbered from 0 and rounds from 1, without gaps.",
    "people": "Whoever has a row, is closed or has withdrawn is in the task.",
    "images": "Drafts and decisions are about images of the task.",
    "event.names": "Every event is about an image of the task, in a round of it.",
    "event.labels": "Every event's labels are the task's, as its kind has them.",
    "event.status": "An event is accepted or surplus on the revision that it names, or in conflict with a later one.",
    "event.revision": "Somebody's revisions at an image count from 1; between two there is what the lead kept, and "
    "nothing else.",
    "conflict": "Every event in conflict has a row that names another of the same person, image and round.",
    "visit": "A visit has a moment at which it ended if it is over, and only then.",
    "erased": "Nobody who was erased stands anywhere.",
    "erasing": "No erasure is half done; the command that began it ends it, given again.",
    "times": "No time is before 1970 or after tomorrow; people's clocks are five minutes ahead at most.",
    "sequences": "The next number of each sequence is beyond the largest there is (PostgreSQL).",
    "answer.missing": "Whatever anybody answered has its row in answer.",
    "answer.extra": "Nothing stands in answer that the log does not have.",
    "answer.event_id": "An answer is by the newest event that was taken, or that the lead kept.",
    "answer.revision": "An answer's revision counts the events that were taken or kept.",
    "answer.surplus": "An answer is surplus if the log says so, and no erasure left it a place.",
    "assignment.missing": "Whatever anybody answered has its row in assignment.",
    "assignment.extra": "Answered assignments have an answer in the log; who has withdrawn holds no others.",
    "assignment.place": "Assignments have the places that the log says.",
    "assignment.purpose": "Assignments have the purposes that the log says.",
    "assignment.claimed_at": "Assignments were claimed when the log says.",
    "assignment.answered_at": "Assignments were answered when their first answer came.",
    "assignment.holds_slot": "Whoever answers an image holds a place there, unless it is surplus; who skipped may.",
    "slot.missing": "Every image has a slot in the main round.",
    "slot.taken": "A slot counts the places that people hold there; who has withdrawn is not counted.",
    "slot.wanted": "No slot wants fewer than nobody.",
}
QUERIES = {
    "file": "SELECT integrity_check AS error FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    "keys": 'SELECT "table", rowid AS row, parent AS names FROM pragma_foreign_key_check',
    "positions": """
        SELECT * FROM (
            SELECT 'image' AS what, count(*) AS n, min(position) AS low, max(position) AS high FROM image
            UNION ALL SELECT 'round', count(*), min(number) - 1, max(number) - 1 FROM round
        ) AS there WHERE low <> 0 OR high <> n - 1""",
    "images": """
        SELECT 'draft' AS what, image_id FROM draft WHERE image_id NOT IN (SELECT image_id FROM image)
        UNION SELECT 'decision', image_id FROM decision WHERE image_id NOT IN (SELECT image_id FROM image)""",
    "event.names": """
        SELECT e.number, e.event_id, e.image_id, e.round FROM event e
        LEFT JOIN image i ON i.image_id = e.image_id LEFT JOIN round r ON r.number = e.round
        WHERE i.position IS NULL OR r.number IS NULL""",
    "event.status": """
        SELECT number, event_id, status, base_revision, revision FROM event WHERE CASE status
            WHEN 'conflict' THEN base_revision >= revision
            WHEN 'accepted' THEN base_revision <> revision - 1
            WHEN 'surplus' THEN base_revision <> revision - 1
            ELSE 1 = 1
        END""",
    "event.revision": """
        SELECT e.annotator_id, e.round, e.image_id, count(*) AS events, max(e.revision) AS revision
        FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id WHERE e.status <> 'conflict' OR c.kept
        GROUP BY e.annotator_id, e.round, e.image_id HAVING max(e.revision) > count(*) OR min(e.revision) <> 1
        OR count(DISTINCT CASE WHEN e.status <> 'conflict' THEN e.revision END)
            <> count(CASE WHEN e.status <> 'conflict' THEN 1 END)""",
    "conflict": """
        SELECT e.event_id, c.against FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id
        LEFT JOIN event o ON o.event_id = c.against
            AND o.annotator_id = e.annotator_id AND o.round = e.round AND o.image_id = e.image_id
        WHERE CASE e.status
            WHEN 'conflict' THEN o.event_id IS NULL OR (c.resolved_at IS NULL) <> (c.kept IS NULL)
            ELSE c.event_id IS NOT NULL
        END""",
    "visit": "SELECT annotator_id, status, ended_at FROM visit WHERE (status IS NULL) <> (ended_at IS NULL)",
    "erasing": """
        SELECT 'erasing' AS what, annotator_id AS row FROM erasing
        UNION SELECT 'erasure', CAST(number AS VARCHAR) FROM erasure WHERE cleaned_at IS NULL""",
    "answer.extra": """
        SELECT annotator_id, round, image_id FROM answer
        EXCEPT SELECT annotator_id, round, image_id FROM event WHERE status <> 'conflict'""",
    "assignment.extra": """
        SELECT annotator_id, round, position FROM assignment WHERE answered_at IS NOT NULL
        OR annotator_id NOT IN (SELECT annotator_id FROM annotator WHERE withdrawn_at IS NULL)
        EXCEPT SELECT e.annotator_id, e.round, i.position FROM event e JOIN image i ON i.image_id = e.image_id
        JOIN round r ON r.number = e.round JOIN annotator p ON p.annotator_id = e.annotator_id
        WHERE e.status <> 'conflict'""",
    "slot.missing": """
        SELECT 1 AS round, position FROM image WHERE position NOT IN (SELECT position FROM slot WHERE round = 1)""",
    "slot.wanted": "SELECT round, position, wanted FROM slot WHERE wanted < 0",
}
