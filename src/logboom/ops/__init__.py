"""Operations: operational log, supervision, health, metrics, known sources, alerts, systemd notifications."""
