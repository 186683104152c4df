"""The charts of the document and what is said for who cannot see them."""

CHARTS = {
    "throughput": "Throughput against reports stored before",
    "latency": "Latency against load",
    "memory": "Memory against waiting reports",
}
