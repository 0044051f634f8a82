"""For all tests: pytest's own tool for running pytest in small projects, and how hypothesis runs."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]

# Machines here are noisy: how long an example takes says nothing about the code.
settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("noisy")
