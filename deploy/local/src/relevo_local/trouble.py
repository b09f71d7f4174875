"""What a person at the command line can mend."""


class Trouble(Exception):
    """Something is not as a local system needs it. The message is for people, and says what to do next."""
