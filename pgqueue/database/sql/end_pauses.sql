SELECT pgqueue.end_pauses()
