"""One module a kind of resource, and the table of them."""
