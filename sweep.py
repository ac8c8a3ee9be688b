"""The program, started from its folder; installed, it is called ``fcnet-sweep``."""

import sys

from studies.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
