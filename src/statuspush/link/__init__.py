"""The link between the two halves: the process that decides, and the ones that do."""
