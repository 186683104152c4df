"""The half that decides: what is stored, what is sent when, and what an outcome means."""
