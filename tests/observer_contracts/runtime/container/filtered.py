"""Puts a filter of system calls in force that allows all of them, and becomes the given command."""

import ctypes
import os
import sys

_PR_SET_SECCOMP, _FILTER = 22, 2
_RETURN_ALLOW = (0x06, 0, 0, 0x7FFF0000)


class Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort),
        ("yes", ctypes.c_ubyte),
        ("no", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    ]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction))]


program = Program(1, ctypes.pointer(Instruction(*_RETURN_ALLOW)))
if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) != 0:
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
