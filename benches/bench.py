"""The shared code of the benchmarks: starts servers, finds the program to measure, and measures a command.

Does not know what is measured. `benches/README.md` lists the requirements.
"""

import ctypes
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 60


def fail(message):
    sys.exit(f"benches/{pathlib.Path(sys.argv[0]).name}: {message}")


class Measured:
    """The time and the resources that a command used. Times are in seconds."""

    def __init__(self, seconds, usage):
        self.seconds = seconds
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        # Kilobytes on Linux, bytes on macOS.
        self.peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run(command, folder, environment):
    """Runs a command to its end. Shows its output only if it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            name, shown = pathlib.Path(command[0]).name, " ".join(str(word) for word in command[1:3])
            fail(f"`{name} {shown} ...` ended with {child.returncode}")
    return Measured(seconds, usage)


class Servers:
    """The servers that this run started. Servers that the environment names are not stopped."""

    def __init__(self, folder):
        self.folder = folder
        self.children = []
        self.described = ""

    def mongodb(self):
        if uri := os.environ.get("MONGODB_URI"):
            self.described += "MongoDB as given"
            return uri
        program = mongodb_program()
        port = free_port()
        arguments = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "WARNING"]
        self.start("mongodb", [program, *arguments, "--storage-path", self.folder / "mongodb"], signal.SIGKILL)
        self.wait(port, "mongodb")
        self.described += "MongoDB-compatible secantus-mdb on loopback"
        return f"mongodb://127.0.0.1:{port}/?directConnection=true"

    def postgres(self):
        if uri := os.environ.get("POSTGRES_URI"):
            self.described += ", Postgres as given"
            return uri
        programs = postgres_programs()
        data, port = self.folder / "postgres", free_port()
        user = {}
        data.mkdir()
        if os.getuid() == 0:
            # Postgres does not run as root.
            entry = pwd.getpwnam("postgres")
            os.chown(data, entry.pw_uid, entry.pw_gid)
            user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        initdb = [programs / "initdb", "--no-sync", "--encoding=UTF8", "--locale=C", "--username=elt", "--auth=trust"]
        made = subprocess.run([*initdb, "-D", data], cwd="/", capture_output=True, text=True, **user)
        if made.returncode != 0:
            fail(f"initdb failed: {made.stderr.strip()}")
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}"]
        self.start("postgres", [programs / "postgres", "-D", data, "-p", str(port), *settings], signal.SIGINT, **user)
        uri = f"postgres://elt@127.0.0.1:{port}/postgres"
        self.wait(port, "postgres", [programs / "pg_isready", "-q", "-d", uri])
        version = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True).stdout
        self.described += f", Postgres {version.split()[2]} with its default settings"
        return uri

    def start(self, name, command, stop_signal, **user):
        log = open(self.folder / f"{name}.log", "wb")
        child = subprocess.Popen(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent,
            **user,
        )
        self.children.append((child, stop_signal))

    def wait(self, port, name, ready=None):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self.children[-1][0].poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                if ready is None or subprocess.run(ready).returncode == 0:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        log = (self.folder / f"{name}.log").read_text(errors="replace")
        fail(f"{name} does not answer; its log:\n{log[-3000:]}")

    def stop(self):
        for child, stop_signal in self.children:
            child.send_signal(stop_signal)
        for child, _ in self.children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def die_with_parent():
    """Ends a child process when this program ends for any reason."""
    if sys.platform == "linux":
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def mongodb_program():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    places = [os.environ.get("SECANTUS_MDB"), shutil.which("secantusd-rs"), cache / "elt-bench/bin/secantusd-rs"]
    for place in places:
        if place and pathlib.Path(place).is_file():
            return place
    fail(
        "no MongoDB server: MONGODB_URI names one to use, SECANTUS_MDB the program `secantusd-rs`; "
        "benches/README.md says how to install it"
    )


def postgres_programs():
    debian = sorted(
        (path for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()),
        key=lambda path: -int(path.parent.name),
    )
    path = [pathlib.Path(place) for place in os.environ["PATH"].split(":")]
    for folder in [*debian, *path]:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    fail("no Postgres server programs; POSTGRES_URI names a server to use")


def build_program():
    subprocess.run(["cargo", "build", "--release"], cwd=REPOSITORY, check=True)
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    told = subprocess.run(metadata, cwd=REPOSITORY, check=True, capture_output=True).stdout
    return str(pathlib.Path(json.loads(told)["target_directory"]) / "release" / "elt")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def memory_bytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
