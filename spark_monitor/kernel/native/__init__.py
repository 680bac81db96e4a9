"""The numpy kernel's inner loops once more, compiled: one C file behind a plain interface, called on numpy's buffers.

Optional: without the library everything works as with it, a little slower. Nothing may enter that the numpy kernel cannot do.
"""
