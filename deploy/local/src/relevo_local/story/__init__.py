"""The demo's story: a quarter at Forja Software, planned from a seed and played through the front doors."""
