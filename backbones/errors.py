"""The one exception type that means: the user can mend this."""


class UserError(Exception):
    """A mistake in an option, a file or a folder.

    The message names the culprit and says what to do about it. Command-line tools print it as a single line and exit
    with code 2; any other exception is a defect of this project and keeps its traceback.
    """


class ToldError(UserError):
    """A ``UserError`` that another process of the same job prints: end as it does, and say nothing."""
