"""The words of the field as values; imports nothing but the standard library and numpy."""
