"""In the place of the script that ansible-test downloads to bring pip into its environments: the
pip that Python itself ships.
"""

import subprocess
import sys

sys.exit(subprocess.call([sys.executable, "-m", "ensurepip", "--default-pip"]))
