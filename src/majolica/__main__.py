"""`python -m majolica` is `majolica`."""

import sys

from majolica.cli import main

sys.exit(main())
