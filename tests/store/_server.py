"""A PostgreSQL server of our own for the tests: a new cluster in a temporary folder, on a Unix socket only."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

__all__ = ["binaries", "running"]


def binaries() -> Path | None:
    """The folder of initdb and postgres, newest first; Debian keeps them out of the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    folders = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    newest = max(folders, key=lambda path: int(path.split("/")[4]), default=None)
    return None if newest is None else Path(newest).parent


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """A server; the part of its URL that a database's name completes."""
    user: int | None = None
    if os.geteuid() == 0:
        # The server refuses to run as root.
        user = pwd.getpwnam("postgres" if _is_user("postgres") else "nobody").pw_uid
    folder = Path(tempfile.mkdtemp(prefix="jaga-pg-", dir="/tmp"))
    try:
        if user is not None:
            os.chown(folder, user, -1)
        data = folder / "data"
        subprocess.run(
            [
                programs / "initdb",
                "-D",
                data,
                "-U",
                "jaga",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        # What a crash of the machine would do is not tested here, so nothing waits for the disk.
        options = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "full_page_writes=off")
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *(f"-c{option}" for option in options)],
                stdout=log,
                stderr=log,
                user=user,
                cwd=folder,
            )
            try:
                _wait(folder, server)
                yield f"postgresql://jaga@/{{name}}?host={folder}"
            finally:
                server.terminate()
                server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _wait(folder: Path, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(host=str(folder), user="jaga", dbname="postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "log").read_text("utf-8", "replace")) from None
            time.sleep(0.05)
        else:
            return
