"""Fail at the n-th operation: what carseg leaves behind when a disk, the system or a kill stops it anywhere.

``python -m tests.faults`` from the root of a checkout tries everything, ``--short`` a part of it, which is also a test.

operations.py   opening, writing, renaming and the like, of which one fails or ends the process
commands.py     the commands that are tried, and what they work on
trial.py        a command in a process of its own, and what must hold after it
"""
