"""The lines of docs/several_machines.md do under a real scheduler what my_script.py does."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import PROJECT

ASKED_FOR = "CNN_TEST_SLURM"  # of the environment
DAEMONS = ("munged", "slurmctld", "slurmd")
MISSING = [program for program in DAEMONS if not shutil.which(program)]


@pytest.mark.skipif(not os.environ.get(ASKED_FOR), reason=f"four minutes; {ASKED_FOR}=1 runs it")
@pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed here: {', '.join(MISSING)}")
@pytest.mark.skipif(os.getuid() != 0, reason="Slurm's programs are started as root")
def test_an_array_of_slurm_gives_the_bytes_of_my_script():
    script = PROJECT / "benchmarks" / "cluster.py"
    command = [sys.executable, str(script), "--only", "Slurm"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the same bytes in 12 files" in ended.stdout
