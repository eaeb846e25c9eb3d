"""The durable queue: what waits, when it is tried again, and what is known of each recipient."""
