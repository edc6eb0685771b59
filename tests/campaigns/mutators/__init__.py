"""What damages a file, each from its bytes and a generator of random numbers: of bytes, of words, of structure."""
