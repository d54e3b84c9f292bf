"""How the programs talk with whoever calls them: options, errors in one line, progress."""
