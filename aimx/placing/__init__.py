"""The only code that writes below a mailbox."""
