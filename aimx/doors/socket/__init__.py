"""AIMX/1 over a Unix socket: one request a connection, authorised by the kernel's credentials."""
