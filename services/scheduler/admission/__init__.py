"""What the scheduler lets in: a policy from one file, judged on the spec that would be written."""
