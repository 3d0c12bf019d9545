"""The demo: a real corpus indexed by real workers, one of which is killed, and then checked."""
