"""Judging a message: SPF, DKIM, DMARC, and whether its author is trusted."""
