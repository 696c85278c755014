#!/usr/bin/python3
"""Counts TAP.

usage: tap-count.py --name NAME --status N FILE   what failed and was skipped in a TAP file, and "N passed, N failed, N skipped"
       tap-count.py --meson testlog.json          the TAP of all tests of a `meson test`, as one stream
       tap-count.py --total DIR                   the sum of DIR/*.count; exits with 1 when anything failed or nothing passed
"""
import glob
import json
import os
import re
import sys

LINE = re.compile(r'^(not )?ok\b\s*(?:\d+\b)?\s*(?:- )?(.*)$')
SKIP = re.compile(r'#\s*skip\S*\s*(.*)$', re.IGNORECASE)
COUNT = re.compile(r'^(\d+) passed, (\d+) failed, (\d+) skipped$')


def results(lines):
    """(failed, skip reason or None, description) of each test line, then the number that the plan promised, or None."""
    found, plan = [], None
    for line in lines:
        if re.match(r'^1\.\.\d+', line):
            plan = int(re.match(r'^1\.\.(\d+)', line).group(1))
            continue
        match = LINE.match(line)
        if not match:
            continue
        skip = SKIP.search(match.group(2))
        found.append((bool(match.group(1)), skip.group(1) if skip else None, match.group(2)))
    return found, plan


def count(name, status, path):
    with open(path, errors='replace') as f:
        found, plan = results(f.read().splitlines())
    failed = [text for bad, skip, text in found if bad and skip is None]
    skipped = [(text, skip) for bad, skip, text in found if skip is not None]
    passed = len(found) - len(failed) - len(skipped)
    if plan is not None and plan > len(found):
        failed.append('%d of %d tests did not run: see %s' % (plan - len(found), plan, path))
    if not failed and (status or not found):
        failed.append('%s ended with status %d after %d tests: see %s' % (name, status, len(found), path))
    for text in failed:
        print('FAILED %s' % text)
    for text, skip in skipped:
        print('skipped %s' % (text if skip else text + ' (no reason given)'))
    print('%d passed, %d failed, %d skipped' % (passed, len(failed), len(skipped)))


def meson(path):
    number = 0
    with open(path) as f:
        for line in f:
            test = json.loads(line)
            found, _ = results(test.get('stdout', '').splitlines())
            broken = test['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL')
            if broken and not any(bad for bad, _, _ in found):
                found.append((True, None, 'ended with %s' % test['result']))
            if not found:
                found.append((False, None, 'exit status'))
            for bad, _, text in found:
                number += 1
                print('%sok %d - %s: %s' % ('not ' if bad else '', number, test['name'], text))
            if broken:
                for part in ('stdout', 'stderr'):
                    for text in test.get(part, '').splitlines()[-60:]:
                        print('#   ' + text)
    print('1..%d' % number)


def total(directory):
    sums = [0, 0, 0]
    for path in sorted(glob.glob(os.path.join(directory, '*.count'))):
        with open(path) as f:
            lines = f.read().splitlines()
        match = COUNT.match(lines[-1]) if lines else None
        if match:
            sums = [a + int(b) for a, b in zip(sums, match.groups())]
        else:
            sums[1] += 1
    print('%d passed, %d failed, %d skipped' % tuple(sums))
    return 1 if sums[1] or not sums[0] else 0


def main(argv):
    if argv[0] == '--total':
        return total(argv[1])
    if argv[0] == '--meson':
        return meson(argv[1])
    return count(argv[1], int(argv[3]), argv[4])


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
