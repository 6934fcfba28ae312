"""The versions, one file each, named by number; a file that was released never changes."""
