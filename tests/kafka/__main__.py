"""`python -m tests.kafka`: an Apache Kafka to work against, in the foreground, until Ctrl-C. `make kafka` calls it."""

from __future__ import annotations

import argparse
import signal
import sys

from tests.kafka.broker import KAFKA_VERSION, LIB, Broker, BrokerError, missing


def main() -> int:
    """Run the broker; 0 after Ctrl-C or SIGTERM, 1 if it could not be started or ended by itself."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka", description="Apache Kafka on 127.0.0.1, for work.")
    parser.add_argument("--port", type=int, default=9092, help="where clients connect (9092)")
    parser.add_argument("--data", metavar="DIR", help="keep the topics here; without it they go when Kafka stops")
    options = parser.parse_args()
    if obstacle := missing():
        print(f"Kafka {KAFKA_VERSION} cannot be started: {obstacle}.", file=sys.stderr)
        return 1
    if not LIB.is_dir():
        print(f"Maven fetches Kafka {KAFKA_VERSION} (43 MB, once) into {LIB} ...", file=sys.stderr)
    for end in (signal.SIGTERM, signal.SIGHUP):  # `kill` and a closed terminal clean up as Ctrl-C does
        signal.signal(end, signal.default_int_handler)
    broker = Broker(port=options.port, data=options.data, quick=False)
    try:
        with broker:
            print(f"Kafka is ready on {broker.bootstrap}", flush=True)
            print(f"Ctrl-C stops it. Its data and server.log are in {broker.data}", flush=True)
            status = broker.wait()
            print(f"Kafka ended by itself (status {status}); its log says:\n{broker.log_tail()}", file=sys.stderr)
            return 1
    except KeyboardInterrupt:
        return 0
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
