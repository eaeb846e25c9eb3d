"""What should be: bytes in, typed values and problems out. No files, no sockets, no clock."""
