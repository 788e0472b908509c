"""Ready configurations, one TOML each: Logboom as a drop-in for each source system."""
