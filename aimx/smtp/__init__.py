"""Mail comes in: SMTP sessions, their replies and limits, and what becomes of each message."""
