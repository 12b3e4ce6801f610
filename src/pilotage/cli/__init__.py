"""The command line: verbs that translate arguments, call one function of `app`, and render its answer."""


def main() -> None:
    """Entry point of the `pilotage` command."""
