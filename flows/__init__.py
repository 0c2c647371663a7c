"""The outside world and the wiring: dataflows, sources, sinks, settings, command line.

`flows.orchestrate` is the dataflow; `flows.replay` runs it over files, `flows.run` on Kafka.
"""
