"""What is remembered of a customer, and where: the record, its stored form, and the key-group store on RocksDB.

Knows nothing of Bytewax or Kafka. `state/README.md` tells what is on disk.
"""
