"""OpenCV's own threads: switched off. See decisions/0403."""

import cv2


def use_one_thread() -> None:
    """Let OpenCV work in the thread that calls it, in the whole process."""
    cv2.setNumThreads(1)
