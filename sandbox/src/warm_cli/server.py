"""The AWS CLI, imported once: each call is a fork of this process, with the arguments, environment, folder and files of who called.

Half of a call's processor time is Python importing the CLI and reading the services' models, and a recovery makes dozens.
Called as: server.py SOCKET SERVICE...
"""

import array
import gc
import json
import os
import signal
import socket
import sys
import threading

import awscli.clidriver
import botocore.loaders
import botocore.session

MOST = 4 << 20


def keep_models(services):
    """Reads each model once, for all calls: what is read is never changed."""
    load, kept = botocore.loaders.JSONFileLoader.load_file, {}

    def load_file(self, path):
        if path not in kept:
            kept[path] = load(self, path)
        return kept[path]

    botocore.loaders.JSONFileLoader.load_file = load_file
    session = botocore.session.Session()
    for service in services:
        session.create_client(
            service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
    driver = awscli.clidriver.create_clidriver()
    driver.create_help_command()


def receive(connection):
    data, files, wanted = b"", array.array("i"), None
    while wanted is None or len(data) < wanted:
        part, ancillary, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(3 * files.itemsize))
        if not part:
            return None, files
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                files.frombytes(content)
        data += part
        if wanted is None and len(data) >= 8:
            wanted, data = int.from_bytes(data[:8], "big"), data[8:]
            if wanted > MOST:
                return None, files
    return json.loads(data), files


def leave_with(connection):
    """Ends with who called: a call is no longer wanted when its caller is gone."""
    connection.recv(1)
    os._exit(1)


def call(connection, asked, files):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(asked["folder"])
    # The CLI puts its own folder there when it is imported.
    data = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(asked["environment"], AWS_DATA_PATH=data)
    sys.argv = ["aws", *asked["arguments"]]
    sys.stdin, sys.stdout, sys.stderr = (open(n, "r" if n == 0 else "w", encoding="utf-8", closefd=False) for n in range(3))
    threading.Thread(target=leave_with, args=(connection,), daemon=True).start()
    try:
        code = awscli.clidriver.main()
    except SystemExit as end:
        code = end.code
    code = code if isinstance(code, int) else 0 if code is None else 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([code & 255]))
    os._exit(code & 255)


def main():
    path, *services = sys.argv[1:]
    keep_models(services)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(128)
    # Who sees the socket can call.
    os.rename(path + ".new", path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        connection, _ = listener.accept()
        asked, files = receive(connection)
        if asked is not None and len(files) == 3 and os.fork() == 0:
            listener.close()
            call(connection, asked, files)
        for file in files:
            os.close(file)
        connection.close()


main()
