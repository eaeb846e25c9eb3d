"""One view of a plan or of its receipts, told as text or as data."""
