"""Real SDKs that send to a real ingest, and a tap on the wire between: `make sdks`."""
