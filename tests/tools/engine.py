#!/usr/bin/python3
"""Plays an engine's shim to a runtime: is the subreaper, creates with pipes as stdio, starts, waits for the container's init
as for a child of its own. Prints what it saw as one JSON object.

usage: engine.py --bundle DIR --id ID --dir SCRATCH [--signal NAME] [--exec PROCESS.json] -- RUNTIME [OPTION...]

--signal: sent by the runtime's kill once the program's first line has come. --exec: a detached exec, waited for as well.
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36


def status_of(status):
    return {'signal': os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {'code': os.WEXITSTATUS(status)}


def read_pid(path):
    with open(path, encoding='ascii') as f:
        text = f.read()
    assert text.isdigit(), text  # no newline: podman and containerd parse it as it is
    return int(text)


def parent_of(pid):
    with open('/proc/%d/stat' % pid, encoding='ascii', errors='replace') as f:
        return int(f.read().rsplit(')', 1)[1].split()[1])


def wait_for(pid):
    return status_of(os.waitpid(pid, 0)[1])


def main():
    parser = argparse.ArgumentParser()
    for option in ('bundle', 'id', 'dir', 'signal', 'exec'):
        parser.add_argument('--' + option)
    parser.add_argument('runtime', nargs='+')
    a = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid_file, seen = os.path.join(a.dir, 'pid'), {}
    out_r, out_w = os.pipe()
    err_r, err_w = os.pipe()
    in_r, in_w = os.pipe()
    # Returns although the init goes on holding the pipes: subprocess would hang otherwise.
    create = subprocess.run(a.runtime + ['create', '--bundle', a.bundle, '--pid-file', pid_file, a.id], stdin=in_r, stdout=out_w,
                            stderr=err_w, check=False, timeout=60)
    for fd in (out_w, err_w, in_r):
        os.close(fd)
    seen['create'] = create.returncode
    if create.returncode == 0:
        pid = read_pid(pid_file)
        seen['child'] = parent_of(pid) == os.getpid()
        os.write(in_w, b'hello\n')
        os.close(in_w)
        seen['start'] = subprocess.run(a.runtime + ['start', a.id], stdin=subprocess.DEVNULL, check=False,
                                       timeout=60).returncode
        out, err = os.fdopen(out_r, 'rb'), os.fdopen(err_r, 'rb')
        seen['first'] = out.readline().decode()
        if a.exec:
            exec_pid_file = os.path.join(a.dir, 'exec-pid')
            seen['exec'] = subprocess.run(a.runtime + ['exec', '--process', a.exec, '--detach', '--pid-file', exec_pid_file,
                                                       a.id], stdin=subprocess.DEVNULL, check=False, timeout=60).returncode
            seen['exec-end'] = wait_for(read_pid(exec_pid_file))
        if a.signal:
            seen['kill'] = subprocess.run(a.runtime + ['kill', a.id, a.signal], stdin=subprocess.DEVNULL, check=False,
                                          timeout=60).returncode
        seen['end'] = wait_for(pid)
        seen['rest'], seen['stderr'] = out.read().decode(), err.read().decode()
    else:
        seen['stderr'] = os.fdopen(err_r, 'rb').read().decode()
    json.dump(seen, sys.stdout)
    print()


if __name__ == '__main__':
    main()
