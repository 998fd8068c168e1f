"""`python -m consumer` is `cdp-consumer`."""

import sys

from consumer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
