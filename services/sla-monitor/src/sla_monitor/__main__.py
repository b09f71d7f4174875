"""`python -m sla_monitor run | migrate | dead …`"""

from relevo.service import main
from sla_monitor.main import service

if __name__ == "__main__":
    main(service)
