"""What speaks HTTP to people and programs: the API, its document, and the probes."""
