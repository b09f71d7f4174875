"""`python -m scoring run | migrate | dead …`"""

from relevo.service import main
from scoring.main import service

if __name__ == "__main__":
    main(service)
