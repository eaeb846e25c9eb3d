"""What makes it so: observe, diff, plan, apply, and the record of what was applied."""
