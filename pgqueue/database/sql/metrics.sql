SELECT metric, label, state, value FROM pgqueue.metrics()
