SELECT pgqueue.sample()
