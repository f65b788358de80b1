"""``python -m convscope``: the command line."""

import sys

from convscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
