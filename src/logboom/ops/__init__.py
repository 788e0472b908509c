"""Operations: the operational log, supervision, health, metrics, who sends, alerts; signs to the service manager."""
