"""Import of log files: what they hold becomes entries, each of them once."""
