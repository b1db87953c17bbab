CREATE TABLE tasks (
    task_id TEXT NOT NULL PRIMARY KEY,
    feature_description TEXT NOT NULL,
    target_url TEXT NOT NULL,
    staging_url TEXT,
    priority BIGINT NOT NULL CHECK (priority BETWEEN 1 AND 10),
    project TEXT NOT NULL,
    request TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    phase TEXT NOT NULL,
    workflow_state TEXT NOT NULL,
    -- The number of the workflow's attempt: a result is recorded only for the attempt that it came of.
    attempt BIGINT NOT NULL,
    rank BIGINT NOT NULL,
    ready_at BIGINT NOT NULL,
    -- 0: ready, 1: waits for ready_at, NULL: not in the queue.
    parked BIGINT CHECK (parked IN (0, 1)),
    lease_owner TEXT,
    lease_epoch BIGINT NOT NULL DEFAULT 0,
    lease_expires_at BIGINT,
    cancel_requested BIGINT NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    completed_at BIGINT,
    CHECK ((status = 'queued') = (parked IS NOT NULL)),
    CHECK ((status = 'running') = (lease_owner IS NOT NULL))
);

-- The claim: exactly its predicate and order. The predicate leaves the status out, so that no planner prefers
-- the index on it and sorts.
CREATE INDEX tasks_ready ON tasks (rank, task_id) WHERE parked = 0;
-- Tasks that wait for a time, by that time.
CREATE INDEX tasks_parked ON tasks (ready_at) WHERE parked = 1;
-- Heartbeats and rescues.
CREATE INDEX tasks_leased ON tasks (lease_owner, lease_expires_at) WHERE status = 'running';
CREATE INDEX tasks_status ON tasks (status, created_at, task_id);
CREATE INDEX tasks_created ON tasks (created_at, task_id);

CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES tasks (task_id),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    entry TEXT NOT NULL,
    UNIQUE (task_id, seq)
);

CREATE TABLE evidence (
    task_id TEXT NOT NULL REFERENCES tasks (task_id),
    position BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (task_id, position)
);

CREATE TABLE idempotency (
    key TEXT NOT NULL PRIMARY KEY,
    body_sha256 TEXT NOT NULL,
    task_id TEXT NOT NULL REFERENCES tasks (task_id)
);
