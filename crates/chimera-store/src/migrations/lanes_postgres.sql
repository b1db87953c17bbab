ALTER TABLE tasks ADD COLUMN lane TEXT;
UPDATE tasks SET lane = phase WHERE parked IS NOT NULL;
CREATE FUNCTION tasks_lane() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.lane := NEW.phase;
    RETURN NEW;
END $$;
-- It stays as it is while a task runs: what is in no index may be old.
CREATE TRIGGER tasks_lane BEFORE INSERT OR UPDATE OF parked, phase ON tasks
    FOR EACH ROW WHEN (NEW.parked IS NOT NULL AND NEW.lane IS DISTINCT FROM NEW.phase) EXECUTE FUNCTION tasks_lane();
