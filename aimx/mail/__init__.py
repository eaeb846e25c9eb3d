"""Messages as values: envelope, MIME, Markdown, frontmatter, names of stored mail."""
