"""One file for each revision; what it does is in the SQL folder of the same name."""
