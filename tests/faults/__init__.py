"""Kills under load, with a checked history."""
