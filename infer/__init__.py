"""The inference room: readers, batching, engines, writers, resume."""
