"""Everything that turns a video into a stored sequence, and the `aggpose` command."""
