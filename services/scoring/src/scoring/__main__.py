"""`python -m scoring run | migrate | dead … | learn`"""

from relevo.service import command_line
from scoring.learn import add_to
from scoring.main import service

if __name__ == "__main__":
    app = command_line(service)
    add_to(app, service)
    app()
