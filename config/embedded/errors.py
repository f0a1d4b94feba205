"""What ends a start."""


class CannotStart(Exception):
    """Something is missing or wrong; the message is one line that says what to do."""


class NothingRuns(Exception):
    """No servers run in the data folder, and none were named."""
