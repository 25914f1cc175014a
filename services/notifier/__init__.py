"""The notifier: tells others of events. webhooks, and Docker Flow's listener. One copy is active."""
