"""``python -m pyconv`` is the command line."""

import sys

from pyconv.cli import main

sys.exit(main())
