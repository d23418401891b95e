"""Files in a folder of the server, and nowhere else."""

import os
import stat


class OutsideError(ValueError):
    """The path leads out of the folder."""


def open_inside(folder, path):
    """The file, open for reading bytes. Raises :class:`OutsideError`, OSError or ValueError, also for what is no file."""
    folder = os.path.realpath(folder)
    real = os.path.realpath(os.path.join(folder, path))
    if os.path.commonpath([folder, real]) != folder:
        raise OutsideError
    # what the path names may change after it was resolved: no link is followed any more
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    stream = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise FileNotFoundError
    return stream
