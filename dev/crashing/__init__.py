"""What `./dev/crash` is made of: scenarios, what befalls them, and what is looked at."""
