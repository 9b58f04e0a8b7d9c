"""The build step: writes down as whom it runs and what it can see, and leaves what npm would."""

import os
from pathlib import Path

import flask

place = Path("src/warehouse/templates")
place.mkdir(exist_ok=True)
secret = "SECRET_KEY" in os.environ or Path("/run/secrets/SECRET_KEY").exists()
(place / "built.txt").write_text(f"{os.getuid()}\n{flask.__name__}\n{secret}\n")
Path("node_modules/x").mkdir(parents=True)
