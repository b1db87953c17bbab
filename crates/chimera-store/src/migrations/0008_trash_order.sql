-- Notes of files in the order in which they were made: a machine goes on where it was.
CREATE INDEX trash_order ON trash (at, kind, name);
-- Dead letters that were given up, in the order in which they may be removed.
CREATE INDEX tasks_discarded ON tasks (discarded_at, task_id) WHERE discarded_at IS NOT NULL;
