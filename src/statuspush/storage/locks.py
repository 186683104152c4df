"""Locks on open files between processes; the operating system drops them with the process."""

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt
    import os

    _FAR = (1 << 31) - 2
    """Windows locks bytes and keeps others from reading them, so this is one beyond any file."""

    def lock(file: int) -> None:
        """Lock an open file; raises :class:`BlockingIOError` when another process has it."""
        at = os.lseek(file, 0, os.SEEK_CUR)
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None
        finally:
            os.lseek(file, at, os.SEEK_SET)
else:

    def lock(file: int) -> None:
        """Lock an open file; raises :class:`BlockingIOError` when another process has it."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
