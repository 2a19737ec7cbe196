"""`python -m vpcshim` is the command `vpcshim`."""

import sys

from vpcshim.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
