"""What a step may do: each is plain data, idempotent, and looks whether it holds."""
