"""The process of the demonstration's node: `python -m stigmem_plugins.cli.demo SCENE FOLDER`."""

import sys
from pathlib import Path

from stigmem_plugins.cli.demo.scenes import SCENES

SCENES[sys.argv[1]](Path(sys.argv[2]))
