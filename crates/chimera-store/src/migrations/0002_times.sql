-- When a task's time is up: its deadline, or its expiry while it has not begun.
ALTER TABLE tasks ADD COLUMN ends_at BIGINT;
-- A dead letter that a person gave up for good.
ALTER TABLE tasks ADD COLUMN discarded_at BIGINT;
-- 1: other tasks wait for this one, or did.
ALTER TABLE tasks ADD COLUMN awaited BIGINT NOT NULL DEFAULT 0 CHECK (awaited IN (0, 1));

CREATE INDEX tasks_ending ON tasks (ends_at) WHERE ends_at IS NOT NULL;

-- Tasks that wait for tasks which are not completed. A task in here is parked without a time.
CREATE TABLE waits (
    task_id TEXT NOT NULL REFERENCES tasks (task_id),
    after_id TEXT NOT NULL REFERENCES tasks (task_id),
    PRIMARY KEY (task_id, after_id)
);
CREATE INDEX waits_after ON waits (after_id, task_id);

-- The other tasks of a batch, as a JSON list in its order.
ALTER TABLE idempotency ADD COLUMN batch TEXT;
CREATE INDEX idempotency_task ON idempotency (task_id);

CREATE INDEX evidence_content ON evidence (sha256);

-- What one daemon at a time does now and then, and when it is due again.
CREATE TABLE chores (
    name TEXT NOT NULL PRIMARY KEY,
    due_at BIGINT NOT NULL
);

-- Files of pruned tasks that are still to be removed.
CREATE TABLE trash (
    kind TEXT NOT NULL CHECK (kind IN ('task', 'evidence')),
    name TEXT NOT NULL,
    project TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);
