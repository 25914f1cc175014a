"""The poller."""
