"""What a server can do with pgqueue, measured beside what it does with plain SQL."""
