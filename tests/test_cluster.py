"""The lines of --dry_run under GNU parallel, xargs and Slurm do what my_script.py does.

The blocks of docs/several_machines.md are run as they stand there, each in a copy of the project
of its own. Each is skipped where its program is not installed.
"""

import contextlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT, Sweep, copy_project, make_photos, small, wait_for

PAGE = PROJECT / "docs" / "several_machines.md"
STUDIES = '{"Change_batch_size": [4]}'
COMPARED = ("weight.pth", "history.csv", "predictions.csv")
DAEMONS = ("munged", "slurmctld", "slurmd")
MISSING = [program for program in DAEMONS if not shutil.which(program)]
CONFIGURATION = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
KillWait=2
MaxArraySize=3
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4096
PartitionName=all Nodes={host} Default=YES State=UP
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return make_photos(tmp_path_factory.mktemp("photos"))


def make_project(folder: Path, photos: Path) -> Path:
    """A copy of the project with small studies, and images where it looks for them."""
    project = copy_project(folder, my_script=small(STUDIES))
    (project / "data").symlink_to(photos)  # weight files name the folder: the same for all copies
    return project


def files_of(project: Path) -> dict[str, bytes]:
    """What has to be equal, by place."""
    files = {}
    for path in sorted(project.rglob("*")):
        if path.name in COMPARED:
            files[str(path.relative_to(project))] = path.read_bytes()
    return files


def call(project: Path, *command: str) -> str:
    """Run a program in a copy of the project, as a user would; what it printed."""
    variables = dict(os.environ)
    variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
    ended = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def run_block(heading: str, project: Path) -> str:
    """Run the first block of shell lines below a heading of the page; what it printed."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1]
    block = section.split("```sh\n")[1].split("```")[0]
    return call(project, "bash", "-e", "-c", block)


@pytest.fixture(scope="module")
def expected(photos, tmp_path_factory) -> dict[str, bytes]:
    """The files that python my_script.py leaves."""
    project = make_project(tmp_path_factory.mktemp("plain"), photos)
    with contextlib.chdir(project):
        assert Sweep(project, []).run().status == 0
    return files_of(project)


@pytest.mark.parametrize(("heading", "program"), [("GNU parallel", "parallel"), ("xargs", "xargs")])
def test_lines_leave_the_bytes_of_a_sweep(heading, program, photos, expected, tmp_path):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed here")
    project = make_project(tmp_path, photos)
    run_block(heading, project)
    assert files_of(project) == expected


# --- Slurm -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[None]:
    """Slurm on this machine, one node with two CPUs, its clients finding it."""
    if MISSING:
        pytest.skip(f"Slurm is not installed here: {', '.join(MISSING)}")
    if os.getuid() != 0:
        pytest.skip("Slurm's programs are started as root")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    host = platform.node().split(".")[0]
    text = CONFIGURATION.format(folder=folder, host=host, ports=(free_port(), free_port()))
    (folder / "slurm.conf").write_text(text)
    munged = ["munged", "--foreground", "--force"]
    for option, name in {"key": "key", "seed": "seed", "pid": "pid"}.items():
        munged += [f"--{option}-file", str(folder / f"munge.{name}")]
    munged += ["--socket", str(folder / "munge.socket")]
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as running:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        log = running.enter_context((folder / "log").open("w"))
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
            running.callback(daemon.wait)
            running.callback(daemon.terminate)
        wait_for(lambda: "idle" in ask("sinfo", "-h", "-o", "%T"))
        yield


def free_port() -> int:
    """A port that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ask(*command: str) -> str:
    """What one of Slurm's programs prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout


def states(job: str) -> set[str]:
    """The states of an array's tasks."""
    return set(re.findall(r"JobState=(\w+)", ask("scontrol", "show", "job", job, "--oneliner")))


def has_ended(job: str) -> bool:
    """Whether all tasks of an array have ended."""
    return not states(job) & {"RUNNING", "PENDING", "COMPLETING"}


def test_an_array_leaves_the_bytes_of_a_sweep(slurm, photos, expected, tmp_path):
    project = make_project(tmp_path, photos)
    job = run_block("Slurm", project).strip()
    wait_for(lambda: has_ended(job))
    assert states(job) == {"COMPLETED"}
    call(project, "python", "my_script.py", "--collect")
    assert files_of(project) == expected
