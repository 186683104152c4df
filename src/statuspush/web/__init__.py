"""The HTTP side for people and programs: the API, its document, and the probes."""
