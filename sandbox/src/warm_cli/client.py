"""Has a call of the AWS CLI carried out by the server beside it, and ends as that does.

Called as: client.py SOCKET ARGUMENT...
"""

import json
import os
import socket
import sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
asked = {"arguments": sys.argv[2:], "environment": dict(os.environ), "folder": os.getcwd()}
asked = json.dumps(asked).encode()
socket.send_fds(connection, [len(asked).to_bytes(8, "big")], [0, 1, 2])
connection.sendall(asked)
code = connection.recv(1)
sys.exit(code[0] if code else 1)
