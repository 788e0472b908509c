"""How hard hypothesis tries: moderately here, and always the same in CI."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "logboom",
    deadline=None,
    max_examples=400,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("logboom")
