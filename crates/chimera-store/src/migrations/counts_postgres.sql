-- A row for each statement that adds or removes tasks, and for each task whose status changes. A transition table cannot
-- be had for a column alone, and would cost each step of a running task, which changes no status.
CREATE FUNCTION tasks_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO task_counts (queued, running, completed, failed, cancelled) SELECT
        COUNT(*) FILTER (WHERE status = 'queued'), COUNT(*) FILTER (WHERE status = 'running'),
        COUNT(*) FILTER (WHERE status = 'completed'), COUNT(*) FILTER (WHERE status = 'failed'),
        COUNT(*) FILTER (WHERE status = 'cancelled') FROM added HAVING COUNT(*) > 0;
    RETURN NULL;
END $$;
CREATE FUNCTION tasks_moved_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO task_counts (queued, running, completed, failed, cancelled) VALUES (
        (NEW.status = 'queued')::int - (OLD.status = 'queued')::int,
        (NEW.status = 'running')::int - (OLD.status = 'running')::int,
        (NEW.status = 'completed')::int - (OLD.status = 'completed')::int,
        (NEW.status = 'failed')::int - (OLD.status = 'failed')::int,
        (NEW.status = 'cancelled')::int - (OLD.status = 'cancelled')::int);
    RETURN NULL;
END $$;
CREATE FUNCTION tasks_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO task_counts (queued, running, completed, failed, cancelled) SELECT
        -COUNT(*) FILTER (WHERE status = 'queued'), -COUNT(*) FILTER (WHERE status = 'running'),
        -COUNT(*) FILTER (WHERE status = 'completed'), -COUNT(*) FILTER (WHERE status = 'failed'),
        -COUNT(*) FILTER (WHERE status = 'cancelled') FROM removed HAVING COUNT(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_added AFTER INSERT ON tasks REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tasks_added();
CREATE TRIGGER tasks_moved_on AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION tasks_moved_on();
CREATE TRIGGER tasks_removed AFTER DELETE ON tasks REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION tasks_removed();
