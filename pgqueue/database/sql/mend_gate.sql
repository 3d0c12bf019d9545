SELECT pgqueue.mend_gate()
