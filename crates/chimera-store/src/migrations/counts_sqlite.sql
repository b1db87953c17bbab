CREATE TRIGGER tasks_counted_1 AFTER INSERT ON tasks BEGIN
    UPDATE task_counts SET queued = queued + (NEW.status = 'queued'), running = running + (NEW.status = 'running'),
        completed = completed + (NEW.status = 'completed'), failed = failed + (NEW.status = 'failed'),
        cancelled = cancelled + (NEW.status = 'cancelled') WHERE id = 1;
END;
CREATE TRIGGER tasks_counted_2 AFTER UPDATE OF status ON tasks WHEN NEW.status <> OLD.status BEGIN
    UPDATE task_counts SET queued = queued + (NEW.status = 'queued') - (OLD.status = 'queued'),
        running = running + (NEW.status = 'running') - (OLD.status = 'running'),
        completed = completed + (NEW.status = 'completed') - (OLD.status = 'completed'),
        failed = failed + (NEW.status = 'failed') - (OLD.status = 'failed'),
        cancelled = cancelled + (NEW.status = 'cancelled') - (OLD.status = 'cancelled') WHERE id = 1;
END;
CREATE TRIGGER tasks_counted_3 AFTER DELETE ON tasks BEGIN
    UPDATE task_counts SET queued = queued - (OLD.status = 'queued'), running = running - (OLD.status = 'running'),
        completed = completed - (OLD.status = 'completed'), failed = failed - (OLD.status = 'failed'),
        cancelled = cancelled - (OLD.status = 'cancelled') WHERE id = 1;
END;
