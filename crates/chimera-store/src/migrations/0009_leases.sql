-- All leases of a daemon are one: its row in `daemons`. What it runs is found by its name.
DROP INDEX tasks_leased;
CREATE INDEX tasks_leased ON tasks (lease_owner) WHERE status = 'running';

-- What the JSON of this database may say: a daemon that knows less than this number must not read it.
CREATE TABLE vocabulary (
    number BIGINT NOT NULL PRIMARY KEY
);
INSERT INTO vocabulary (number) VALUES (1);

-- Tasks whose row could not be read, as they were.
CREATE TABLE set_aside (
    task_id TEXT NOT NULL REFERENCES tasks (task_id),
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,
    request TEXT NOT NULL,
    workflow_state TEXT NOT NULL,
    PRIMARY KEY (task_id, at)
);
