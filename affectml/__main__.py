"""`python -m affectml`: the command line, where the `affectml` script is not on the PATH."""

from affectml.cli import main

if __name__ == "__main__":
    main()
