#!/usr/bin/python3
"""Receives a terminal's master on a console socket (SCM_RIGHTS) and prints what comes out of it.

usage: console.py SOCKET
"""
import array
import os
import socket
import sys


def main(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(20)
    connection, _ = listener.accept()
    _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    master = array.array('i', ancillary[0][2][:4])[0]
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # EIO: the container's end is closed
            break
        if not data:
            break
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


if __name__ == '__main__':
    main(sys.argv[1])
