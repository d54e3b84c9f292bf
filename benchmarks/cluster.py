"""Slurm, GNU parallel and xargs on this machine, running the lines of docs/several_machines.md.

    python benchmarks/cluster.py [--only Slurm]

Starts munged, slurmctld and slurmd in a temporary folder (Debian: apt-get install slurm-wlm munge
parallel; as root) and runs the page's blocks in copies of the project with small studies on made
pictures. Compared with `python my_script.py`, byte by byte: weights, histories, predictions.
Under Slurm the plan is written again in the middle, there are more lines than tasks, one training
fails, the array is cancelled, one task is requeued.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import PROJECT, print_machine, smoke_images

from records.files import file_digest

PAGE = PROJECT / "docs" / "several_machines.md"
PROGRAMS = {
    "Slurm": ("munged", "slurmctld", "slurmd"),
    "GNU parallel": ("parallel",),
    "xargs": ("xargs",),
}
STUDIES = {  # of my_script.py: what is to be found there, what takes its place
    r'"epochs": 20': '"epochs": 2',
    r"BASE_SEEDS = 6": "BASE_SEEDS = 1",
    r"STUDIES = {.*?\n}": 'STUDIES = {"Change_epochs": [200], "Change_batch_size": [4, 8]}',
}
LONG, FAILING, OTHER = (f"Change_{name}" for name in ("epochs/200", "batch_size/4", "batch_size/8"))
COMPARED = ("weights/*/*/weight.pth", "result/*/*/history.csv", "result/*/*/predictions.csv")
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


# --- the project and its results -------------------------------------------------------------


def copy_project(folder: Path, images: Path) -> Path:
    """A copy of the project with small studies, and images where it looks for them."""
    kept_out = shutil.ignore_patterns("result", "weights", "data", ".*", "__pycache__", "tests")
    shutil.copytree(PROJECT, folder, ignore=kept_out)
    (folder / "data").symlink_to(images)  # weight files name the folder: the same for all copies
    script = folder / "my_script.py"
    text = script.read_text()
    for old, new in STUDIES.items():
        text, count = re.subn(old, new, text, count=1, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"my_script.py holds no {old}")
    script.write_text(text)
    return folder


def results(project: Path) -> dict[str, str]:
    """Digests of what has to be equal, by place."""
    paths = [path for pattern in COMPARED for path in project.glob(pattern)]
    return {str(path.relative_to(project)): file_digest(path) for path in sorted(paths)}


def call(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run my_script.py of a copy."""
    command = [sys.executable, "my_script.py", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


def run_block(heading: str, project: Path) -> str:
    """Run the first block of shell lines below a heading of the page; what it printed."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1]
    block = section.split("```sh\n")[1].split("```")[0]
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", "-c", block]
    ended = subprocess.run(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True)
    return ended.stdout


def check(true: bool, claim: str) -> None:
    """Say what holds; end if it does not."""
    if not true:
        raise SystemExit(f"not so: {claim}")
    print(f"  {claim}", flush=True)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Wait until something is so; end if it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited too long: {what}")
        time.sleep(0.1)


# --- Slurm -----------------------------------------------------------------------------------


def free_port() -> int:
    """A port that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Slurm on this machine, one node with two CPUs, its clients finding it."""
    folder.mkdir()
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    host, ports = platform.node().split(".")[0], (free_port(), free_port())
    text = CONFIGURATION.format(folder=folder, host=host, ports=ports)
    (folder / "slurm.conf").write_text(text)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    munged = ["munged", "--foreground", "--force", "--key-file", str(folder / "munge.key")]
    munged += ["--socket", str(folder / "munge.socket")]
    munged += ["--seed-file", str(folder / "munge.seed")]
    munged += ["--pid-file", str(folder / "munge.pid")]
    running = []
    with (folder / "log").open("w") as log:
        try:
            for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D"]):
                running.append(subprocess.Popen(command, stdout=log, stderr=log))
            wait_for(lambda: "idle" in ask("sinfo", "-h", "-o", "%T"), f"a node; {folder}/log", 30)
            yield
        finally:
            for daemon in reversed(running):
                daemon.terminate()
                daemon.wait()


def ask(*command: str) -> str:
    """What one of Slurm's programs prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout


def states(job: str) -> dict[str, str]:
    """The state of every task of an array that has been started, by its number."""
    text = ask("scontrol", "show", "job", job, "--oneliner")
    pairs = re.findall(r"ArrayTaskId=(\d+) .*?JobState=(\w+)", text)
    return dict(pairs)


def have_ended(job: str, tasks: int) -> bool:
    """Whether all tasks of an array have ended."""
    now = states(job)
    return len(now) == tasks and not {"RUNNING", "PENDING", "COMPLETING"} & set(now.values())


def run_slurm(project: Path, expected: dict[str, str]) -> None:
    """Submit, cancel, submit again, requeue, mend, submit once more."""
    blocked = project / "weights" / FAILING / "weight.pth"
    blocked.mkdir(parents=True)
    history = project / "result" / LONG / "history.csv"
    job = run_block("Slurm", project).strip()
    wait_for(history.is_file, "the long training")
    check(call(project).returncode == 2, "beside the array my_script.py is refused")
    subprocess.run(["scancel", job], check=True)
    wait_for(lambda: have_ended(job, 2), "the cancelled array")
    check("CANCELLED" in states(job).values(), "scancel ends the array")
    before = history.read_text()

    job = run_block("Slurm", project).strip()
    wait_for(lambda: history.read_text() != before, "the long training to go on")
    [task] = [number for number, state in states(job).items() if is_at(project, number, job)]
    subprocess.run(["scontrol", "requeue", f"{job}_{task}"], check=True)
    call(project, "--dry_run")  # the plan is written again in the middle
    wait_for(lambda: have_ended(job, 2), "the array with a requeued task")
    ended = sorted(states(job).values())
    check(
        ended == ["COMPLETED", "FAILED"], "with three lines in two tasks, that which failed says so"
    )
    collected = call(project, "--collect")
    missing = [line.split(":")[0] for line in collected.stdout.splitlines() if "MISSING" in line]
    check(collected.returncode == 1, "--collect ends with 1 while a run is missing")
    check(missing == [f"MISSING {FAILING}"], "and names just that run")

    blocked.rmdir()
    job = run_block("Slurm", project).strip()
    wait_for(lambda: have_ended(job, 1), "the last line")
    check(
        call(project, "--collect").returncode == 0, "mended and submitted again, nothing is missing"
    )
    check(results(project) == expected, f"the same bytes in {len(expected)} files")
    check(run_block("Slurm", project) == "", "where nothing is to be done nothing is submitted")


def is_at(project: Path, task: str, job: str) -> bool:
    """Whether a task runs the long training."""
    return LONG in (project / "result" / f"slurm-{job}_{task}.out").read_text()


# --- GNU parallel and xargs ------------------------------------------------------------------


def run_lines(heading: str, project: Path, expected: dict[str, str]) -> None:
    """All lines, from nothing."""
    run_block(heading, project)
    check(results(project) == expected, f"the same bytes in {len(expected)} files")


def run_parallel(project: Path, expected: dict[str, str]) -> None:
    """All lines, and again with a training that fails."""
    run_lines("GNU parallel", project, expected)
    shutil.rmtree(project / "result" / FAILING)
    weight = project / "weights" / FAILING / "weight.pth"
    weight.unlink()
    weight.mkdir()
    said = run_block("GNU parallel", project)
    log = (project / "result" / "parallel.log").read_text().splitlines()[1:]
    check([line.split("\t")[6] for line in log] == ["1"], "the one line that is left ends with 1")
    check(f"MISSING {FAILING}" in said, "--collect names it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PROGRAMS, help="one of them (default: all)")
    options = parser.parse_args()
    wanted = [options.only] if options.only else list(PROGRAMS)
    for name in wanted:
        missing = [program for program in PROGRAMS[name] if not shutil.which(program)]
        if missing:
            raise SystemExit(f"{name} is not installed here: {', '.join(missing)}")
    print_machine()
    with TemporaryDirectory() as folder:
        root, images = Path(folder), smoke_images()
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        home = copy_project(root / "home", images)
        print("python my_script.py")
        check(call(home).returncode == 0, "done at home")
        expected = results(home)
        if "GNU parallel" in wanted:
            print("GNU parallel")
            run_parallel(copy_project(root / "parallel", images), expected)
        if "xargs" in wanted:
            print("xargs")
            run_lines("xargs", copy_project(root / "xargs", images), expected)
        if "Slurm" in wanted:
            print("Slurm")
            with slurm(root / "slurm"):
                run_slurm(copy_project(root / "cluster", images), expected)


if __name__ == "__main__":
    main()
