#!/usr/bin/python3
"""Receives one descriptor on a Unix socket, as engines do for --console-socket and --pidfd-socket. Prints a line of JSON that
says what it is, and of a terminal what is written to it.

usage: receive-fd.py SOCKET
"""
import array
import json
import os
import re
import socket
import sys


def describe(fd):
    if os.isatty(fd):
        return {'kind': 'terminal'}
    with open('/proc/self/fdinfo/%d' % fd, encoding='ascii') as f:
        pid = re.search(r'^Pid:\s+(-?\d+)$', f.read(), re.MULTILINE)
    return {'kind': 'pidfd', 'pid': int(pid.group(1))} if pid else {'kind': os.readlink('/proc/self/fd/%d' % fd)}


def main(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(20)
    connection, _ = listener.accept()
    _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    fd = array.array('i', ancillary[0][2][:4])[0]
    what = describe(fd)
    print(json.dumps(what), flush=True)
    while what['kind'] == 'terminal':
        try:
            data = os.read(fd, 65536)
        except OSError:  # EIO: the container's end is closed
            data = b''
        if not data:
            break
        sys.stdout.buffer.write(data)
        sys.stdout.flush()


if __name__ == '__main__':
    main(sys.argv[1])
