"""What a process does between its last line and its end."""

import subprocess
import sys

_SCRIPT = """
import sys
from pipeline.cli import main

class Cycle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("collected")

kept = Cycle()
main(["status", "--root", sys.argv[1]])
print("ends")
"""


def test_the_end_does_not_look_for_cycles(tmp_path):
    """It took two seconds with TensorFlow loaded, and half a minute beside busy processes."""
    done = subprocess.run([sys.executable, "-c", _SCRIPT, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "ends", done.stderr
