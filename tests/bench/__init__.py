"""Every figure beside its baseline of the same run: `make bench`."""
