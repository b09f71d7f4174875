"""`python -m handoff run | migrate | dead`."""

from handoff.main import service
from relevo.service import main

main(service)
