"""Who gets what: the routing table, how it is loaded from bytes, and how it explains itself."""
