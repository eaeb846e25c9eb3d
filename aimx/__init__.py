"""The engine and its doors: SMTP in and out, storage, hooks, socket, command line."""
