"""`python -m avlink` is `avlink`."""

import sys

from avlink.cli import main

sys.exit(main())
