"""Starts a test run behind Landlock, the kernel's fence for unprivileged processes, where there is one.

Takes {"port", "read", "write", "note"} as JSON in its first argument, then the command. Behind the fence the
command and all that it starts, the browser included, open files below the named directories only, connect to the
one TCP port only, listen nowhere, and signal nobody outside. What holds is written to the file `note`:
`landlock N`, or `none` and why.
"""

import ctypes
import json
import os
import sys

CREATE, ADD, RESTRICT = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15
CONNECT_TCP = 2
PATH_BENEATH, NET_PORT = 1, 2
NO_NEW_PRIVS = 38
LEAST = 4
"""The first version that fences the network, too."""


class Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class NetPort(ctypes.Structure):
    _fields_ = [("access", ctypes.c_uint64), ("port", ctypes.c_uint64)]


def checked(libc, *args):
    result = libc.syscall(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def fence(plan):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    version = libc.syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < LEAST:
        return "none: the kernel offers no Landlock that fences the network"
    every = (1 << 14) - 1 | 1 << 14 | (1 << 15 if version >= 5 else 0)
    read = EXECUTE | READ_FILE | READ_DIR
    rules = Ruleset(every, 3, 3 if version >= 6 else 0)
    size = ctypes.sizeof(rules) if version >= 6 else 16
    fd = checked(libc, CREATE, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for access, paths in ((read, plan["read"]), (every, plan["write"])):
        for path in paths:
            try:
                parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            allowed = access if os.path.isdir(path) else access & FILE_ONLY
            rule = PathBeneath(allowed & every, parent)
            checked(libc, ADD, ctypes.c_int(fd), ctypes.c_int(PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
            os.close(parent)
    rule = NetPort(CONNECT_TCP, plan["port"])
    checked(libc, ADD, ctypes.c_int(fd), ctypes.c_int(NET_PORT), ctypes.byref(rule), ctypes.c_uint32(0))
    if libc.prctl(NO_NEW_PRIVS, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs is refused")
    checked(libc, RESTRICT, ctypes.c_int(fd), ctypes.c_uint32(0))
    os.close(fd)
    return f"landlock {version}"


def main():
    plan, command = json.loads(sys.argv[1]), sys.argv[2:]
    note = os.open(plan["note"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        held = fence(plan)
    except OSError as err:
        held = f"none: {err}"
    os.write(note, held.encode())
    os.execv(command[0], command)


main()
