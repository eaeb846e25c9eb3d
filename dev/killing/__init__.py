"""What `./dev/kill-mail` is made of: a daemon, clients that do not give up, what is on disk."""
