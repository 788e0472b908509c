"""Running a command whose output goes to a server."""
