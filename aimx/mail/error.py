"""The family of errors about messages and peers that break a rule."""

from __future__ import annotations


class MailError(Exception):
    """A message or a peer broke a rule. The text says which, and never quotes the message."""
