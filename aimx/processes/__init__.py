"""The processes of the engine; each module wires one of them together."""
