"""The program against its floor."""
