"""Perl-compatible regular expressions, as the programs that use them read them: by their own library, PCRE2.

Python's `re` is another language: it refuses `^/(?i)x`, and takes `a{70000}`, which PCRE2 does not.
"""

from __future__ import annotations

import ctypes
from functools import cache, lru_cache

LIBRARY = "libpcre2-8.so.0"


@lru_cache(maxsize=4096)
def complaint(pattern: str) -> str:
    """What is wrong with a pattern; "" when nothing is, or where this machine has no PCRE2 to say it."""
    library = _library()
    if library is None:
        return ""
    text, number, offset = pattern.encode(), ctypes.c_int(), ctypes.c_size_t()
    compiled = library.pcre2_compile_8(text, len(text), 0, ctypes.byref(number), ctypes.byref(offset), None)
    if compiled:
        library.pcre2_code_free_8(compiled)
        return ""
    said = ctypes.create_string_buffer(256)
    library.pcre2_get_error_message_8(number, said, len(said))
    return f"{said.value.decode(errors='replace')} (at offset {offset.value})"


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    library.pcre2_compile_8.restype = ctypes.c_void_p
    library.pcre2_compile_8.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint32,
        ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.c_void_p,
    ]
    library.pcre2_code_free_8.argtypes = [ctypes.c_void_p]
    library.pcre2_get_error_message_8.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
    return library
