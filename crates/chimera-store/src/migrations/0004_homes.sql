-- The data directory that has the branch of the task, where machines do not share branches; absent: any of them may go on.
ALTER TABLE tasks ADD COLUMN home TEXT;
-- Waiting tasks that are bound to a home.
CREATE INDEX tasks_home ON tasks (home) WHERE home IS NOT NULL AND parked IS NOT NULL;

-- When the daemons of a data directory were last heard of, and how long that counts.
CREATE TABLE homes (
    home TEXT NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
