//! Git: one clone per project, one worktree and branch per task.
