"""Configuration documents: read from files or requests, and made true in the log."""
