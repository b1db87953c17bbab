-- How many tasks there are in each status: the sum of all rows. A trigger keeps it in the transaction that changes the
-- status, whoever makes the change. Where many write at once, each change appends a row, and rows are folded later: a
-- row for each status, changed in place, would make every transaction wait for the one before.
CREATE TABLE task_counts (
    id INTEGER PRIMARY KEY,
    queued BIGINT NOT NULL,
    running BIGINT NOT NULL,
    completed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    cancelled BIGINT NOT NULL
);

-- How the database counts.

INSERT INTO task_counts (queued, running, completed, failed, cancelled) SELECT
    COUNT(CASE WHEN status = 'queued' THEN 1 END), COUNT(CASE WHEN status = 'running' THEN 1 END),
    COUNT(CASE WHEN status = 'completed' THEN 1 END), COUNT(CASE WHEN status = 'failed' THEN 1 END),
    COUNT(CASE WHEN status = 'cancelled' THEN 1 END) FROM tasks;

-- The phase in which a task waits. With the phase itself in the key, each step of a running task would change the
-- index, and could not be a HOT update.

-- The lane of a waiting task.

DROP INDEX tasks_lanes;
CREATE INDEX tasks_lanes ON tasks (lane, project, rank, task_id) WHERE parked = 0;
