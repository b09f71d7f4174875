"""What all tests share: Hypothesis looks for counterexamples, not for slowness, which is the machine's."""

from hypothesis import settings

settings.register_profile("relevo", deadline=None)
settings.load_profile("relevo")
