"""From what somebody wants changed to the edits of the manifest that it takes, or why not."""
