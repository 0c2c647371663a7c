"""A worker of the tests: does what the next line of its script says, and notes that it was there.

The script is `DATA/script-N`: one word for each life, the last one for all that follow: a number is an exit status,
`kill` a death by signal, `work` means to live until asked to stop.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from flows.cluster import read_task

stop = threading.Event()
task = read_task(stop.set)
data = Path(task["settings"]["data"])
lives = data / f"lives-{task['number']}"
with lives.open("a") as file:
    file.write(f"{os.getpid()}\n")
script = (data / f"script-{task['number']}").read_text().split()
word = script[min(len(lives.read_text().split()), len(script)) - 1]
print(f"sojourn: says {word}", file=sys.stderr)
print("a page of Rust", file=sys.stderr, flush=True)
if word == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif word == "work":
    stop.wait()
    print("the last word", file=sys.stderr, flush=True)
else:
    sys.exit(int(word))
