#!/usr/bin/python3
"""Runs a command with descriptors that it did not ask for: from 3 on, in turn a directory and the file `marker` in it.

usage: leak-fds.py DIR COUNT -- COMMAND...
"""
import os
import sys


def main(directory, count, command):
    for number in range(3, 3 + int(count)):
        fd = os.open(directory if number % 2 else os.path.join(directory, 'marker'), os.O_RDONLY)
        if fd != number:
            os.dup2(fd, number)
            os.close(fd)
        os.set_inheritable(number, True)
    os.execvp(command[0], command)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], sys.argv[4:])
