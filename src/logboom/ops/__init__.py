"""Operations: the operational log; later health, metrics and alerts."""
