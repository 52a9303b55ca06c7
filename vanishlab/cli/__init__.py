"""The `vanishlab` command.

`commands` says what each one does, `console` turns mistakes into one line, `helping` speaks Chinese, `tables`,
`sweeps` and `predictions` print, `pictures` draws, `running` trains behind a progress bar, `helpers` do so beside this
process, `user_code` imports what a user names.
"""


def main() -> None:
    """Run the command line."""
    from vanishlab.cli.commands import main

    main()
