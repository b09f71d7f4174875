"""`python -m ingest run | migrate`."""

import sys

from ingest.desk import CannotStart
from ingest.main import service
from relevo.service import main

try:
    main(service)
except CannotStart as error:
    sys.exit(f"ingest: {error}")
