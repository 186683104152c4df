"""``statuspush check``: what is sent, how it is judged, and what is said of it."""
