"""A Kafka for the tests: a real broker where it can be had (`broker`), and the choice of which one (`fixtures`)."""
