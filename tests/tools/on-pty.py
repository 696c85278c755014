#!/usr/bin/python3
"""Runs a command on a pseudo terminal and plays a script to it.

usage: on-pty.py [--size ROWSxCOLS] [--timeout SECONDS] [STEP...] -- COMMAND...

Steps, in order: expect=TEXT waits until the output since the last expect holds TEXT; send=TEXT types it (\\n, \\x03 and the
like are understood); resize=ROWSxCOLS changes the window; signal=NAME sends a signal to the command; sleep=SECONDS; eof
types the end of file. Prints all that came out; exits with the command's code (128+n for a signal), or 99 when an expect was
not met in time.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time


def set_size(fd, text):
    rows, cols = (int(n) for n in text.split('x'))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))


class Session:
    def __init__(self, fd, timeout):
        self.fd, self.deadline = fd, time.monotonic() + timeout
        self.seen, self.mark, self.open = b'', 0, True

    def read(self, wait):
        """One read of what came; False when nothing did."""
        ready, _, _ = select.select([self.fd], [], [], max(wait, 0))
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the other end is closed
            data = b''
        self.open = bool(data)
        self.seen += data
        return self.open

    def expect(self, text):
        want = text.encode()
        while (at := self.seen.find(want, self.mark)) < 0:
            left = self.deadline - time.monotonic()
            if left <= 0 or not self.open:
                sys.stdout.buffer.write(self.seen + b'\n*** not seen: ' + want + b'\n')
                sys.stdout.flush()
                return False
            self.read(left)
        self.mark = at + len(want)
        return True

    def drain(self):
        while self.open and time.monotonic() < self.deadline:
            self.read(self.deadline - time.monotonic())


def main(argv):
    split = argv.index('--')
    steps, command = argv[:split], argv[split + 1:]
    size, timeout = '24x80', 20.0
    while steps and steps[0].startswith('--'):
        if steps[0] == '--size':
            size = steps[1]
        else:
            timeout = float(steps[1])
        steps = steps[2:]
    pid, fd = pty.fork()
    if pid == 0:
        set_size(0, size)
        os.execvp(command[0], command)
    session, met = Session(fd, timeout), True
    for step in steps:
        verb, _, value = step.partition('=')
        if verb == 'expect':
            met = session.expect(value)
        elif verb == 'send':
            os.write(fd, value.encode().decode('unicode_escape').encode('latin-1'))
        elif verb == 'resize':
            set_size(fd, value)
        elif verb == 'signal':
            os.kill(pid, getattr(signal, value))
        elif verb == 'sleep':
            time.sleep(float(value))
        elif verb == 'eof':
            os.write(fd, b'\x04')
        if not met:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return 99
    session.drain()
    if session.open:
        os.kill(pid, signal.SIGKILL)
    sys.stdout.buffer.write(session.seen)
    _, status = os.waitpid(pid, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
