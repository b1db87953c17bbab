//! All of Chimera's SQL: the durable queue, its leases and its journal.
