"""`python -m services`, which `make run` calls: all of Funswarm on this machine."""

import sys

from services.supervisor.main import main

sys.exit(main())
