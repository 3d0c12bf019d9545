"""`python -m pgqueue` is `pgqueue`."""

from pgqueue.cli.main import main

if __name__ == "__main__":
    main(prog_name="pgqueue")
