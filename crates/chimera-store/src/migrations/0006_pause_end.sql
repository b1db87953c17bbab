-- When a pause ends by itself; without it, a person ends it.
ALTER TABLE pauses ADD COLUMN ends_at BIGINT;
