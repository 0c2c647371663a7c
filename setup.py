"""Optional: the hot modules compiled to C by mypyc, from the same source.

`pip install .` is pure Python. `make compiled` sets SOJOURN_COMPILE=1 (needs a C compiler and mypy) and installs the same
package with the modules below as extension modules; what it decides is the same to the byte, and `make bench` shows both.
"""

import os

from setuptools import setup

HOT = [
    "state/instants.py",
    "state/keygroups.py",
    "operators/decode.py",
    "operators/pattern.py",
    "operators/pattern_repeats.py",
    "operators/pattern_one.py",
    "operators/moment.py",
    "operators/records.py",
    "operators/customer_step.py",
    "operators/run_steps.py",
    "operators/entries.py",
    "operators/sends.py",
    "operators/actions.py",
    "operators/candidates.py",
    "operators/decisions.py",
    "operators/gates.py",
    "operators/outcomes.py",
    "operators/paths.py",
    "operators/key_group.py",
    "flows/output_files.py",
    "flows/input_files.py",
    "state/store.py",
    "state/timer_index.py",
]

extensions = []
if os.environ.get("SOJOURN_COMPILE") == "1":
    from mypyc.build import mypycify

    extensions = mypycify(HOT, opt_level="3")

setup(ext_modules=extensions)
