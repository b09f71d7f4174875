"""`python -m console run | migrate | dead`."""

from console.main import service
from relevo.service import main

main(service)
