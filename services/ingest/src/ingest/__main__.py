"""`python -m ingest run | migrate`."""

from ingest.main import service
from relevo.service import main

main(service)
