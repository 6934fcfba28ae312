"""Decoding videos that nobody vouches for, in a process of its own.

The parent (`source`) starts a child (`child`) and reads frames out of memory that both share. The
child imports no OpenCV and no NumPy, so that it starts quickly: it copies planes, nothing more.
"""
