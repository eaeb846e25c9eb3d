"""The typed messages between the engine's processes, and passing descriptors."""
