-- What people have paused.
CREATE TABLE pauses (
    scope TEXT NOT NULL CHECK (scope IN ('queue', 'project', 'role', 'agent')),
    name TEXT NOT NULL,
    since BIGINT NOT NULL,
    reason TEXT,
    PRIMARY KEY (scope, name),
    CHECK ((scope = 'queue') = (name = ''))
);

-- Agents and projects that failed last; a success removes the row. Empty as long as all goes well, which is what
-- makes it cheap to ask.
CREATE TABLE breakers (
    scope TEXT NOT NULL CHECK (scope IN ('project', 'agent')),
    name TEXT NOT NULL,
    failures BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    error TEXT NOT NULL,
    opened_at BIGINT,
    open_until BIGINT,
    -- The attempt that tries whether it works again; it counts only while it runs.
    probe_task TEXT,
    probe_attempt BIGINT,
    PRIMARY KEY (scope, name),
    CHECK ((opened_at IS NULL) = (open_until IS NULL))
);

-- Whose change is at a shared place of staging; it counts until the validation of that task has ended.
CREATE TABLE stagings (
    place TEXT NOT NULL PRIMARY KEY,
    task_id TEXT NOT NULL,
    since BIGINT NOT NULL
);

-- The daemons that live, by what they say of themselves.
CREATE TABLE daemons (
    owner TEXT NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    state TEXT NOT NULL
);

-- The claim while something is held back: the ready tasks of each lane, in their order. Not by `parked` first,
-- which the planner would take for the index of the plain claim, and sort.
CREATE INDEX tasks_lanes ON tasks (phase, project, rank, task_id) WHERE parked = 0;
