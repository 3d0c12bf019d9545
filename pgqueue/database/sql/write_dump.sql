SELECT pgqueue.write_dump(CAST(%(worker)s AS bigint), CAST(%(stacks)s AS text))
