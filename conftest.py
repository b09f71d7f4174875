"""What all tests share: a run of the tests looks at the same examples everywhere, however slow the machine is. Whoever
looks for new counterexamples adds `--hypothesis-profile=search`: they are drawn at random then."""

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]  # which is the machine's
settings.register_profile("search", deadline=None, suppress_health_check=SLOW)
settings.register_profile("relevo", deadline=None, suppress_health_check=SLOW, derandomize=True)
settings.load_profile("relevo")
