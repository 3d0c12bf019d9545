SELECT pgqueue.drop_partitions()
