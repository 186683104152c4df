"""The link between the two halves: the deciding process and the workers."""
