"""pgqueue: a job exists if and only if your transaction commits."""
