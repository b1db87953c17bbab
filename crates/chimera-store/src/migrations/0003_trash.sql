-- When a pruned task was removed: every machine of a queue has files of its own to remove, so the entry stays for
-- a while.
ALTER TABLE trash ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
