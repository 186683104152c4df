"""The deciding half: what is stored, what is sent when, and what an outcome means."""
